// The match on the page is exchanged for the server's answer; the slider stays in the hand that moves it.
"use strict";
(() => {
  let asking = new AbortController();
  let wanted = null;

  async function show(address) {
    wanted = address;
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const section = document.getElementById("match");
    if (!section) return;
    section.setAttribute("aria-busy", "true");
    try {
      const found = await answer(address, signal);
      swap(section, found);
      history.replaceState(null, "", address);
      document.dispatchEvent(new CustomEvent("page:changed", { detail: { root: section } }));
    } catch (error) {
      if (signal.aborted) return;
      document.dispatchEvent(new CustomEvent("page:not-shown", { detail: { why: error.message } }));
    }
    section.removeAttribute("aria-busy");
  }

  async function answer(address, signal) {
    const answered = await fetch(address, { signal, headers: { Accept: "text/html" } });
    if (!answered.ok) throw new Error(`the server answered ${answered.status}`);
    const found = new DOMParser().parseFromString(await answered.text(), "text/html").getElementById("match");
    if (!found) throw new Error("the server's answer shows no match");
    return found;
  }

  function swap(section, found) {
    const place = { left: scrollX, top: scrollY, behavior: "instant" };
    const focused = section.contains(document.activeElement) ? document.activeElement.id : "";
    exchange(section, found, document.getElementById("slider"));
    if (focused && document.activeElement.id !== focused) {
      document.getElementById(focused)?.focus({ preventScroll: true });
    }
    scrollTo(place);
  }

  // All but the slider: to take that out, even for a moment, would end a drag and lose the focus.
  function exchange(old, found, slider) {
    if (old === slider) return;
    for (const name of old.getAttributeNames()) if (!found.hasAttribute(name)) old.removeAttribute(name);
    for (const name of found.getAttributeNames()) old.setAttribute(name, found.getAttribute(name));
    const kept = slider && [...old.children].find((child) => child.contains(slider));
    const instead = [...found.children].find((child) => child.id === "slider" || child.querySelector("#slider"));
    if (!kept || !instead) {
      old.replaceChildren(...found.childNodes);
      return;
    }
    const nodes = [...found.childNodes];
    const at = nodes.indexOf(instead);
    for (const node of [...old.childNodes]) if (node !== kept) node.remove();
    kept.before(...nodes.slice(0, at));
    kept.after(...nodes.slice(at + 1));
    exchange(kept, instead, slider);
  }

  document.addEventListener("page:show", (event) => show(event.detail.address));
  document.addEventListener("page:stale", () => show(wanted || new URL(location.href)));
})();
