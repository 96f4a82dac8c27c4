from pathlib import Path

import pytest
import torch
import yaml

from benchmarks import fit
from benchmarks.checkpoints import CheckpointMismatchError
from benchmarks.fit import check_hyperparameters, main

CONFIGS = sorted((Path(fit.__file__).parent / "configs").glob("*.yaml"))


@pytest.fixture
def config(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny-config.yaml"
    content = {
        "seed_everything": 0,
        "model": {"class_path": "TinyMethod", "init_args": {"image_size": 8}},
        "data": {"class_path": "TinyData", "init_args": {"image_size": 8, "batch_size": 4}},
        "trainer": {"accelerator": "cpu", "max_epochs": 1, "logger": False},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_classes_go_by_their_short_names_and_a_checkpoint_by_its_hyperparameters(config):
    folder = config.parent
    common = ["fit", "-c", str(config), "--trainer.enable_progress_bar", "false"]
    main(common)
    [checkpoint] = folder.rglob("*.ckpt")
    stored = torch.load(checkpoint, weights_only=True)
    assert stored["hyper_parameters"]["lr"] == 0.1
    resume = [*common, "--trainer.max_epochs", "2", "--ckpt_path", str(checkpoint)]
    main(resume)
    assert len(list(folder.rglob("epoch=1*.ckpt"))) == 1
    # Lightning alone would train on with 0.1 and say nothing.
    with pytest.raises(CheckpointMismatchError, match=r"lr: 0\.1 in the checkpoint, 0\.5 here"):
        main([*resume, "--model.init_args.lr", "0.5"])


def test_an_unknown_key_is_an_error(config, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "-c", str(config), "--trainer.max_epoch", "1"])
    assert stopped.value.code == 2
    assert "max_epoch" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "-c", str(config), "--model.init_args.n_keypoint", "1"])
    assert stopped.value.code == 2
    assert "n_keypoint" in capsys.readouterr().err


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_of_the_suite_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = {"unsupervised": 64, "train": 40, "test": 20}
    options = {
        "trainer.fast_dev_run": 1,
        "trainer.accelerator": "cpu",
        "data.init_args.cache_dir": str(tmp_path / "cache"),
        "data.init_args.standin_sizes": str(small),
    }
    main(["fit", "-c", str(path), *(f"--{key}={value}" for key, value in options.items())])


def test_every_difference_is_named(tmp_path):
    path = tmp_path / "x.ckpt"
    torch.save({"hyper_parameters": {"_class_path": "a.A", "width": (1, 2), "lr": 0.1}}, path)
    check_hyperparameters(path, "a.A", {"width": [1, 2], "lr": 0.1, "other": None})
    with pytest.raises(CheckpointMismatchError, match=r"(?s)class_path: a\.A .* width: .*\(1, 2\)"):
        check_hyperparameters(path, "b.B", {"width": [1, 3]})
