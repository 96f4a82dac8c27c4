from datamodules.celeba import CelebA


def rows(root):
    report = CelebA.verify(root)
    return report, {check.item: check for check in report.checks}


def test_a_miniature_is_usable_with_warnings(shared_tree):
    report, found = rows(shared_tree)
    assert report.usable
    assert (report.dataset, report.root) == ("celeba", str(shared_tree))
    pictures = found["pictures in celeba/Img/img_align_celeba"]
    assert (pictures.expected, pictures.found, pictures.status) == ("202,599", "35", "warn")
    assert found["split unsupervised"].expected == "146,501"
    assert found["split unsupervised"].found == "20"
    assert found["split test"].found == "4"
    md5 = found["MAFL/testing.txt, md5"]
    assert (md5.expected, md5.status) == ("56bd57738ee0021dab291ad317e89048", "warn")
    assert all(check.remedy for check in report.checks if check.status != "ok")
    assert not any(check.remedy for check in report.checks if check.status == "ok")


def test_no_folder(tmp_path):
    report, found = rows(tmp_path / "none")
    assert not report.usable
    assert "mmlab.ie.cuhk.edu.hk" in found["folder"].remedy


def test_an_empty_folder_names_every_part(tmp_path):
    report, found = rows(tmp_path)
    assert not report.usable
    missing = [item for item, check in found.items() if check.status == "missing"]
    assert missing == [
        "pictures",
        "list_landmarks_align_celeba.txt",
        "list_eval_partition.txt",
        "MAFL/training.txt",
        "MAFL/testing.txt",
    ]
    assert found["identity_CelebA.txt"].status == "warn"


def test_damage_is_found(own_tree):
    base = own_tree / "celeba"
    pictures = base / "Img" / "img_align_celeba"
    for number in (1, 2, 3, 30):
        (pictures / f"{number:06d}.jpg").write_bytes(b"")
    (pictures / "000009.jpg").unlink()
    landmarks = base / "Anno" / "list_landmarks_align_celeba.txt"
    landmarks.write_text(landmarks.read_text().replace("000005.jpg", "000005.jpg 12"))
    report, found = rows(own_tree)
    assert not report.usable
    assert found["list_landmarks_align_celeba.txt"].found == "unreadable"
    assert f"{landmarks}, line 7" in found["list_landmarks_align_celeba.txt"].remedy
    decoded = next(check for item, check in found.items() if "decoded" in item)
    assert decoded.status == "missing"
    assert "000030 no picture" in decoded.found
    assert "1 pictures" in found["split test"].found
    assert found["split test"].status == "missing"
