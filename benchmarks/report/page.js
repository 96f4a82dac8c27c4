"use strict";
(() => {
  const dialog = document.getElementById("large");
  const [image, words] = [dialog.querySelector("img"), dialog.querySelector("p")];
  const buttons = () =>
    [...document.querySelectorAll("button.enlarge")].filter((button) => button.checkVisibility());
  let current = null;
  const show = (button) => {
    const small = button.querySelector("img");
    current = button;
    image.src = small.src;
    image.alt = words.textContent = small.alt;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.enlarge");
    if (button) {
      show(button);
      dialog.showModal();
    } else if (event.target === dialog) {
      dialog.close();
    }
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = buttons();
    show(all[(all.indexOf(current) + step + all.length) % all.length]);
    event.preventDefault();
  });
  dialog.addEventListener("close", () => current?.focus());
  document.documentElement.dataset.ready = "true";
})();
