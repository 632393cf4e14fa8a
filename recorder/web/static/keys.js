// The page by keyboard.
"use strict";
(() => {
  const HELP = [
    ["/", "search"],
    ["j, k", "the next row, the one before"],
    ["o", "open the row"],
    ["← →", "known a step earlier, later; with shift ten steps"],
    ["End", "on the slider: all that is known"],
    ["?", "this help"],
  ];
  const ROWS = "#timeline [data-key], #matches tbody tr, #matches > li";

  function isTyping(target) {
    return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  }

  function search() {
    const field = document.querySelector("input[name=q]");
    if (field) {
      field.focus();
      field.select();
    } else if (location.pathname !== "/") location.assign("/#search");
  }

  function go(by) {
    const rows = [...document.querySelectorAll(ROWS)].filter((row) => row.getClientRects().length);
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const next = at < 0 ? rows[by > 0 ? 0 : rows.length - 1] : rows[Math.min(rows.length - 1, Math.max(0, at + by))];
    next.tabIndex = -1;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  function open() {
    document.activeElement.closest(ROWS)?.querySelector("a[href]")?.click();
  }

  function help() {
    let dialog = document.getElementById("help");
    if (!dialog) dialog = madeHelp();
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  function madeHelp() {
    const dialog = document.createElement("dialog");
    dialog.id = "help";
    dialog.setAttribute("aria-labelledby", "help-title");
    const article = document.createElement("article");
    const title = document.createElement("h2");
    title.id = "help-title";
    title.textContent = "Keys";
    const list = document.createElement("dl");
    for (const [keys, meaning] of HELP) {
      const [term, told, key] = ["dt", "dd", "kbd"].map((name) => document.createElement(name));
      key.textContent = keys;
      term.append(key);
      told.textContent = meaning;
      list.append(term, told);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    article.append(title, list, close);
    dialog.append(article);
    document.body.append(dialog);
    return dialog;
  }

  if (location.hash === "#search") search();

  const step = (steps) => document.dispatchEvent(new CustomEvent("page:step", { detail: { steps } }));
  const ACTIONS = {
    "/": search,
    "?": help,
    j: () => go(1),
    k: () => go(-1),
    o: open,
    ArrowLeft: (event) => step(event.shiftKey ? -10 : -1),
    ArrowRight: (event) => step(event.shiftKey ? 10 : 1),
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
    const act = ACTIONS[event.key];
    if (!act || (document.querySelector("dialog[open]") && event.key !== "?")) return;
    if (event.key.startsWith("Arrow") && !document.getElementById("slider")) return;
    event.preventDefault();
    act(event);
  });
})();
