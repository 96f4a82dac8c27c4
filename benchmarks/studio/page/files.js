// Files that come into the page, and those that it gives away.

import { button, element } from "./widgets.js";

/** Give a Blob to the user under a name. */
export function give(blob, name) {
  const address = URL.createObjectURL(blob);
  const anchor = element("a", { href: address, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Let files be dropped anywhere: `take(file)` gets the first. */
export function acceptDrops(take) {
  const sign = document.getElementById("drop");
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0;
  const shown = (visible) => { sign.hidden = !visible; };
  document.addEventListener("dragenter", (event) => {
    if (carries(event)) shown((depth += 1) > 0);
  });
  document.addEventListener("dragleave", (event) => {
    if (carries(event)) shown((depth = Math.max(0, depth - 1)) > 0);
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    shown((depth = 0) > 0);
    const [file] = event.dataTransfer?.files ?? [];
    if (file) take(file, event.target.closest?.("[data-slot]")?.dataset.slot);
  });
}

/** A button that asks for a file. */
export function chooser(words, accept, take) {
  const input = element("input", {
    type: "file", accept, hidden: true, "aria-label": words,
    onchange: () => {
      const [file] = input.files;
      input.value = ""; // so that the same file can be opened again
      if (file) take(file);
    },
  });
  return element("span", { className: "chooser" }, button(words, () => input.click()), input);
}
