// "As known at": a slider over the time of receipt. What it points at is shown by section.js.
"use strict";
(() => {
  const SETTLE_MS = 60;
  let slider = null;
  let output = null;
  let first = NaN;
  let settling = 0;

  const match = () => document.getElementById("match");
  const isNow = () => Number(slider.value) >= Number(slider.max);
  const moment = () => new Date(first + Number(slider.value)).toISOString();
  const step = () => Math.max(1, Math.min(1000, Math.round(Number(slider.max) / 500)));

  // The end of the slider lies behind the newest action: there nothing is left out, and the page is live.
  function stretch() {
    const wasNow = slider.max && isNow();
    const length = Math.max(Number(slider.max), Math.ceil(Date.parse(match().dataset.last) - first) + 1);
    slider.max = String(length);
    if (wasNow) slider.value = slider.max;
    tell();
  }

  function tell() {
    const asked = { iso: moment(), text: moment() };
    document.dispatchEvent(new CustomEvent("page:tell-time", { detail: asked }));
    slider.setAttribute("aria-valuetext", isNow() ? "now: all that is known" : `as known at ${asked.text}`);
    output.textContent = isNow() ? "now" : asked.text;
  }

  function moved() {
    tell();
    clearTimeout(settling);
    settling = setTimeout(() => {
      const address = new URL(location.href);
      address.searchParams.delete("as_of");
      if (!isNow()) address.searchParams.set("as_of", moment());
      document.dispatchEvent(new CustomEvent("page:show", { detail: { address } }));
    }, SETTLE_MS);
  }

  function move(by) {
    const value = Math.min(Number(slider.max), Math.max(0, Number(slider.value) + by));
    if (value === Number(slider.value)) return;
    slider.value = String(value);
    moved();
  }

  function pressed(event) {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (steps === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    move(steps * step() * (event.shiftKey ? 10 : 1));
  }

  function begin() {
    const found = document.getElementById("slider");
    if (!found || found === slider) return;
    const { first: begun, last, asOf } = match().dataset;
    if (!Number.isFinite(Date.parse(begun) + Date.parse(last))) return; // nothing has come yet
    slider = found;
    first = Math.floor(Date.parse(begun));
    output = document.createElement("output");
    output.id = "known-at";
    output.htmlFor = "slider";
    slider.after(output);
    slider.removeAttribute("name"); // the form sends the text
    slider.hidden = false;
    slider.min = slider.value = "0";
    slider.step = "1";
    slider.max = "0";
    stretch();
    slider.value = asOf ? String(Date.parse(asOf) - first) : slider.max;
    tell();
    slider.addEventListener("input", moved);
    slider.addEventListener("keydown", pressed);
  }

  document.addEventListener("page:step", (event) => slider && move(event.detail.steps * step()));
  document.addEventListener("page:zone", () => slider && tell());
  document.addEventListener("page:not-shown", (event) => {
    if (slider) output.textContent = `not shown: ${event.detail.why}`;
  });
  document.addEventListener("page:changed", () => {
    begin();
    if (!slider) return;
    if (!output.isConnected) slider.after(output);
    stretch();
  });
  if (match()) begin();
})();
