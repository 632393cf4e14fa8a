// Every time in the reader's zone, with UTC in its title; a switch between the two; ages that grow.
"use strict";
(() => {
  const HAS_DATE = /\d{4}-\d{2}-\d{2}/;
  const HAS_CLOCK = /\d{2}:\d{2}(:\d{2}(\.\d+)?)?/;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
  const pad = (number, width = 2) => String(number).padStart(width, "0");

  let inUtc = remembered() === "utc";

  function remembered() {
    try {
      return localStorage.getItem("times");
    } catch {
      return null; // storage may be forbidden
    }
  }

  function remember(choice) {
    try {
      localStorage.setItem("times", choice);
    } catch {
      // then it holds for this page only
    }
  }

  // In the shape of the text that the server wrote, which is UTC: with a date if that has one, and as exact.
  function local(when, iso, shape) {
    const clock = shape.match(HAS_CLOCK);
    const date = `${when.getFullYear()}-${pad(when.getMonth() + 1)}-${pad(when.getDate())}`;
    if (!clock) return date;
    let told = `${pad(when.getHours())}:${pad(when.getMinutes())}`;
    if (clock[1]) told += `:${pad(when.getSeconds())}`;
    if (clock[2]) told += ((iso.match(/\.\d+/) || [""])[0] + "000000").slice(0, clock[2].length);
    return HAS_DATE.test(shape) ? `${date} ${told}` : told;
  }

  function show(element) {
    const when = new Date(element.dateTime);
    if (Number.isNaN(when.getTime())) return;
    if (element.dataset.utc === undefined) element.dataset.utc = element.textContent;
    const shape = element.dataset.utc;
    const utc = element.dateTime.replace("T", " ").replace(/(Z|\+00:00)$/, " UTC");
    element.title = utc;
    if (element.hasAttribute("data-age") || (!HAS_DATE.test(shape) && !HAS_CLOCK.test(shape))) return;
    element.textContent = inUtc ? shape : local(when, element.dateTime, shape);
  }

  function showAll(root) {
    for (const element of root.querySelectorAll("time[datetime]")) show(element);
    tick();
  }

  function age(seconds) {
    if (seconds < 60) return `${seconds} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ago`;
    return `${Math.floor(seconds / 86400)} d ago`;
  }

  function tick() {
    for (const element of document.querySelectorAll("time[data-age]")) {
      const seconds = Math.floor((Date.now() - new Date(element.dateTime)) / 1000);
      if (seconds >= 0) element.textContent = age(seconds);
    }
  }

  function addSwitch() {
    const button = document.createElement("button");
    button.type = "button";
    button.id = "zone";
    const tell = () => {
      button.textContent = inUtc ? "UTC" : zone;
      button.title = inUtc ? `Show times in ${zone}` : "Show times in UTC";
    };
    button.addEventListener("click", () => {
      inUtc = !inUtc;
      remember(inUtc ? "utc" : "local");
      tell();
      showAll(document);
      document.dispatchEvent(new CustomEvent("page:zone"));
    });
    tell();
    document.querySelector("header.site nav")?.append(button);
  }

  // For other scripts: a moment as the page shows times now.
  document.addEventListener("page:tell-time", (event) => {
    const when = new Date(event.detail.iso);
    const utc = when.toISOString().slice(11, 19);
    event.detail.text = inUtc ? `${utc} UTC` : local(when, event.detail.iso, utc);
  });
  document.addEventListener("page:changed", (event) => showAll(event.detail.root));
  addSwitch();
  showAll(document);
  setInterval(tick, 1000);
})();
