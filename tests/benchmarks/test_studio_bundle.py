"""What the studio's page of one file is put together from: modules, and a runtime."""

import pytest

from benchmarks.studio.bundle import bundled
from benchmarks.studio.runtime import load_runtime


def test_modules_become_one_script():
    modules = {
        "a/start.js": 'import { one as first, two } from "../b.js";\n'
        'import * as all from "./c.js";\n'
        "window.sum = first + two() + all.three;\n",
        "b.js": "export const one = 1;\nexport function two() { return 2; }\nconst three = 4;\n",
        "a/c.js": "const a=3;export{a as three};\n//# sourceMappingURL=c.js.map\n",
    }
    text = bundled("a/start.js", modules)
    assert "export" not in text and "import" not in text and "sourceMapping" not in text
    assert text.index("module0") < text.index("module1") < text.index("module2")
    for change, words in (
        ({"b.js": 'import { x } from "./a/start.js";\n'}, "in a circle"),
        ({"b.js": "export default 3;\n"}, "b.js: cannot be put into one script: export default"),
        ({"b.js": 'const x = "</script>";\n'}, "what would end a script"),
    ):
        with pytest.raises(ValueError, match=words):
            bundled("a/start.js", modules | change)
    with pytest.raises(ValueError, match=r"a/start\.js: there is no module b\.js"):
        bundled("a/start.js", {name: text for name, text in modules.items() if name != "b.js"})


def test_the_runtime_is_the_one_that_is_known(tmp_path, monkeypatch):
    other = tmp_path / "other.tgz"
    other.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"other\.tgz: is not onnxruntime-web@.*npm pack"):
        load_runtime(other)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"npm, which fetches it, is not installed.*--runtime"):
        load_runtime(cache=tmp_path)
    (tmp_path / "npm").write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"npm failed \(no network\)"):
        load_runtime(cache=tmp_path)
