// What stands beside a live match, asked for from time to time: a gap or a lost connection is no action.
"use strict";
(() => {
  const EVERY_MS = 15000;
  const match = () => document.getElementById("match");

  async function ask() {
    const { facts, live, asOf } = match().dataset;
    if (!facts || live !== "1" || asOf || document.hidden) return;
    try {
      const answer = await fetch(facts, { headers: { Accept: "text/html" } });
      if (answer.ok && match().dataset.facts === facts) put(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // the next one may be answered
    }
  }

  function put(found) {
    const newest = Number(found.body.firstElementChild?.dataset.newest);
    exchange(document.querySelector("#match .facts"), found.querySelector(".facts"));
    // What was told meanwhile is newer than what is made for everybody once in a while.
    if (newest >= Number(match().dataset.newest)) exchange(document.getElementById("score"), found.getElementById("score"));
  }

  function exchange(old, instead) {
    if (!old || !instead) return;
    const focused = reached(old).indexOf(document.activeElement);
    const open = [...old.querySelectorAll("details")].map((each) => each.open);
    instead.querySelectorAll("details").forEach((each, at) => (each.open = Boolean(open[at])));
    old.replaceChildren(...instead.childNodes);
    reached(old)[focused]?.focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("page:changed", { detail: { root: old } }));
  }

  const reached = (root) => [...root.querySelectorAll("a, summary, [tabindex]")];

  if (match()) setInterval(ask, EVERY_MS);
})();
