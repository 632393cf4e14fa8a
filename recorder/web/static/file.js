// A match in a file: shows what was known at the slider's moment.
"use strict";
(() => {
  const slider = document.getElementById("slider");
  const output = document.getElementById("known-at");
  if (!slider) return;
  const timed = [...document.querySelectorAll("[data-from]")].map((element) => ({
    element,
    from: Number(element.dataset.from),
    until: element.dataset.until === undefined ? Infinity : Number(element.dataset.until),
  }));
  const states = JSON.parse(document.getElementById("states").textContent);
  const list = document.querySelector("#timeline tbody");
  const rows = [...list.rows];
  const score = document.getElementById("score");
  const now = score.innerHTML;
  let isOver = null;

  // The vendor's order is another one once a match is over.
  function sort(over) {
    if (over === isOver) return;
    isOver = over;
    const order = over ? (row) => row.dataset.order : (row) => row.dataset.live;
    rows.sort((one, other) => (order(one) < order(other) ? -1 : order(one) > order(other) ? 1 : 0));
    list.append(...rows);
  }

  function put(selector, text) {
    const found = score.querySelector(selector);
    if (found) found.textContent = text;
  }

  function head(state) {
    score.innerHTML = now; // our own, as it is in the file
    if (!state) {
      put(".result", "–");
      put(".state", "nothing had been received yet");
      return;
    }
    const [, home, away, period, clock, over] = state;
    put(".result", home === null || away === null ? "–" : `${home} – ${away}`);
    put(".state", over ? "Finished" : [period, clock].filter(Boolean).join(" "));
  }

  function show() {
    const isNow = Number(slider.value) >= Number(slider.max);
    const at = isNow ? Number.MAX_SAFE_INTEGER : Number(slider.value) * 1000 + 999;
    let state = null;
    for (const each of states) if (each[0] <= at) state = each;
    for (const { element, from, until } of timed) element.hidden = !(from <= at && at < until);
    for (const element of document.querySelectorAll("[data-now]")) element.hidden = !isNow;
    const text = isNow ? "now" : `${new Date(Number(slider.value)).toISOString().replace("T", " ").slice(0, 23)} UTC`;
    output.textContent = text;
    slider.setAttribute("aria-valuetext", isNow ? "now: all that is known" : `as known at ${text}`);
    if (isNow) score.innerHTML = now;
    else head(state);
    sort(state ? state[5] : false);
    history.replaceState(null, "", isNow ? location.pathname + location.search : `#${new Date(Number(slider.value)).toISOString()}`);
  }

  function asked() {
    const moment = Date.parse(decodeURIComponent(location.hash.slice(1)));
    if (Number.isFinite(moment)) slider.value = String(moment);
    show();
  }

  for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      slider.value = String(Number(slider.value) + Number(button.dataset.step));
      show();
    });
  }
  slider.addEventListener("input", show);
  addEventListener("hashchange", asked);
  document.getElementById("moment").hidden = false;
  asked();
})();
