"use strict";
// One slider for each example: it moves a line over all pictures (the CSS variable --t), and sets
// the bars and the words beside them. Values are bytes: 0 is `low`, 254 `high`, 255 none.
const NONE = 255;

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function panelOf(element) {
  const names = element.dataset.lines.split("\n");
  const low = Number(element.dataset.low);
  const high = Number(element.dataset.high);
  const values = bytes(element.dataset.values);
  const bars = element.querySelectorAll(".side i");
  const figures = element.querySelectorAll(".rows b");
  const now = element.querySelector(".now");
  const number = (byte) => low + (byte / (NONE - 1)) * (high - low);
  return (step) => {
    const row = values.subarray(step * names.length, (step + 1) * names.length);
    let least = -1;
    let most = -1;
    row.forEach((byte, line) => {
      bars[line].style.setProperty("--v", byte === NONE ? (low < 0 ? 0.5 : 0) : byte / (NONE - 1));
      if (figures.length) figures[line].textContent = byte === NONE ? "" : number(byte).toFixed(2);
      if (byte === NONE) return;
      if (least < 0 || byte < row[least]) least = line;
      if (most < 0 || byte > row[most]) most = line;
    });
    if (now === null) return;
    const say = (line) => `${number(row[line]).toFixed(2)} (${names[line]})`;
    now.textContent = most < 0 ? "masked" : `least ${say(least)} · most ${say(most)}`;
  };
}

for (const replay of document.querySelectorAll(".replay")) {
  const slider = replay.querySelector("input");
  const output = replay.querySelector("output");
  const labels = replay.dataset.labels.split("\n");
  const panels = [...replay.querySelectorAll("[data-values]")].map(panelOf);
  const words = replay.querySelectorAll(".words span");
  const show = () => {
    const step = Number(slider.value);
    replay.style.setProperty("--t", (step + 0.5) / labels.length);
    output.textContent = labels[step];
    slider.setAttribute("aria-valuetext", labels[step]);
    panels.forEach((panel) => panel(step));
    words.forEach((word) => {
      const place = Number(word.dataset.t);
      word.className = place === step ? "now" : place > step ? "later" : "";
    });
  };
  slider.addEventListener("input", show);
  for (const button of replay.querySelectorAll("[data-move]")) {
    button.addEventListener("click", () => {
      slider.valueAsNumber += Number(button.dataset.move);
      show();
    });
  }
  replay.classList.add("live");
  show();
}

// On paper everything is open.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((part) => (part.open = true));
});
addEventListener("afterprint", () => closed.forEach((part) => (part.open = false)));
