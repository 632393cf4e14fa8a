// What becomes durable, on the page as it does.
"use strict";
(() => {
  const match = () => document.getElementById("match");
  if (!match() || typeof EventSource === "undefined") return;

  const FRESH_MS = 3000;
  const CHART_MS = 2000;
  const FILTERS = ["type", "team", "period", "revisions", "deleted"];
  const state = document.createElement("p");
  state.id = "live-state";
  state.setAttribute("role", "status");
  match().before(state);

  let source = null;
  let listensTo = "";
  let heard = -1;
  let staling = 0;
  let charting = 0;
  let retrying = 0;

  function say(name, text) {
    if (state.dataset.state === name) return; // what is said again would be read out again
    state.dataset.state = name;
    state.textContent = text;
  }

  // Which list we listen to, and from where: the section says up to where it shows it.
  function follow() {
    const { events, live, asOf, epoch, newest } = match().dataset;
    if (!events || live !== "1" || asOf) {
      stop();
      if (asOf) say("past", "as it was known then");
      else say("", "");
      return;
    }
    const wanted = `${events}#${epoch}`;
    const isOpen = source && source.readyState !== EventSource.CLOSED;
    // The section may be older than what was told meanwhile: that is told again then.
    if (isOpen && listensTo === wanted && heard <= Number(newest)) return;
    stop();
    listensTo = wanted;
    heard = -1;
    source = new EventSource(`${events}?after=${Number(epoch) || 0}/${newest === "" ? -1 : Number(newest)}`);
    say("connecting", "connecting …");
    source.addEventListener("open", () => say("live", "live"));
    source.addEventListener("error", lost);
    source.addEventListener("action", (event) => told(JSON.parse(event.data)));
    source.addEventListener("resync", resync);
  }

  function stop() {
    source?.close();
    source = null;
  }

  // A browser dials again by itself after a broken connection, not after a refused one.
  function lost(event) {
    say("reconnecting", "reconnecting …");
    if (event.target !== source || source.readyState !== EventSource.CLOSED) return;
    clearTimeout(retrying);
    retrying = setTimeout(follow, 2000 + Math.random() * 2000);
  }

  function resync() {
    stop();
    stale();
  }

  // Not one by one what comes in crowds: the page is asked for again, as it is then.
  function stale() {
    clearTimeout(staling);
    staling = setTimeout(() => document.dispatchEvent(new CustomEvent("page:stale")), 300);
  }

  function told(action) {
    const section = match();
    if (!source || action.stream_id !== section.dataset.stream) return;
    if (String(action.epoch) === section.dataset.epoch && action.position <= Number(section.dataset.newest)) return;
    const isFirst = section.dataset.newest === "-1";
    section.dataset.newest = String(action.position);
    heard = action.position;
    const filters = new URL(location.href).searchParams;
    if (isFirst || isReordered(action) || FILTERS.some((name) => filters.get(name))) stale();
    else {
      put(action);
      head(action.head);
    }
    chart();
  }

  // When a match is over the vendor numbers its actions anew, and every row may have another place.
  function isReordered(action) {
    const row = document.querySelector("#timeline [data-order]");
    return row !== null && row.dataset.order[0] !== action.order[0];
  }

  function head(html) {
    const score = document.getElementById("score");
    if (!score || !html) return;
    score.innerHTML = html; // the server's own, as it is in the page
    changed(score);
  }

  function put(action) {
    const template = document.createElement("template");
    template.innerHTML = action.html; // the server's own, as it is in the page
    const row = template.content.firstElementChild;
    const list = document.querySelector("#timeline tbody") || document.getElementById("timeline");
    if (!row || !list) return;
    const known = document.getElementById(row.id);
    const hadFocus = known?.contains(document.activeElement);
    known?.remove();
    if (!known) count();
    list.insertBefore(row, behind(list, action.order));
    row.classList.add("fresh");
    setTimeout(() => row.classList.remove("fresh"), FRESH_MS);
    if (hadFocus) (row.querySelector("a") || row).focus({ preventScroll: true });
    const received = row.querySelector("td.known time")?.dateTime;
    if (received && Date.parse(received) > Date.parse(match().dataset.last)) match().dataset.last = received;
    changed(row);
  }

  // "15 of 15 actions": both numbers are one more.
  function count() {
    const told = document.querySelector("#match .count")?.firstChild;
    if (!told) return;
    const more = (number) => (Number(number.replaceAll(",", "")) + 1).toLocaleString("en");
    told.data = told.data.replace(/\d[\d,]*/g, more);
  }

  // The first row that belongs behind one of this order, whichever end of the match is on top.
  function behind(list, order) {
    const rows = [...list.children].filter((row) => row.dataset.order !== undefined);
    const isUpward = rows.length > 1 && rows[0].dataset.order > rows[rows.length - 1].dataset.order;
    return rows.find((row) => (isUpward ? row.dataset.order < order : row.dataset.order > order)) || null;
  }

  function changed(root) {
    document.dispatchEvent(new CustomEvent("page:changed", { detail: { root } }));
  }

  function chart() {
    if (charting) return;
    charting = setTimeout(() => {
      charting = 0;
      document.dispatchEvent(new CustomEvent("page:chart"));
    }, CHART_MS);
  }

  document.addEventListener("page:changed", (event) => {
    if (event.detail.root === match()) follow();
  });
  // A browser has six connections to a server: tabs that nobody sees leave them to the others.
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : follow()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => event.persisted && follow());
  follow();
})();
