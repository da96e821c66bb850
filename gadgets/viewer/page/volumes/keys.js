"use strict";
// Keys of the page of volumes; those of a single picture are in gestures.js.

/** Factor of the slab's thickness for a key press. */
const SLAB_STEP = 1.25;

/** What a key does, by its name in events; Shift counts for letters. */
function actionsOf(page) {
  const { state } = page;
  const next = (values, value) => values[(values.indexOf(value) + 1) % values.length];
  const slab = (factor) => page.set({ slab: state.slab * factor, mode: state.mode === "plane" ? "max" : state.mode });
  const planes = page.views.map(({ plane }) => plane.name);
  const actions = {
    s: () => toggleSwipe(page),
    x: () => page.exchange(),
    d: () => toggleDifference(page),
    m: () => page.set({ mode: next(MODES, state.mode) }),
    t: () => slab(SLAB_STEP),
    T: () => slab(1 / SLAB_STEP),
    c: () => page.set({ tool: "cross" }),
    w: () => page.set({ tool: "window" }),
    p: () => page.set({ tool: "pan" }),
    e: () => page.set({ large: next(planes, state.large) }),
    i: () => page.set({ isSmooth: !state.isSmooth }),
    r: () => page.reset(),
    PageUp: () => page.active.step(1),
    PageDown: () => page.active.step(-1),
    "?": () => document.getElementById("help").showModal(),
  };
  page.kinds.forEach((kind, number) => { actions[number + 1] = () => page.set({ shown: kind }); });
  return actions;
}

/** Before against after; again, off. */
function toggleSwipe(page) {
  const { shown, beside } = page.state;
  const other = ["zero_filled", "super_resolved", "received", ...page.kinds].find((kind) => kind !== shown && page.kinds.includes(kind));
  page.set({ beside: beside ? "" : other || "" });
}

/** The difference; again, what was shown before it. */
function toggleDifference(page) {
  if (!page.kinds.includes("difference")) return;
  const { shown } = page.state;
  if (shown !== "difference") page.beforeDifference = shown;
  page.set({ shown: shown === "difference" ? page.beforeDifference || "super_resolved" : "difference" });
}

/** A key anywhere on the page, unless it is being typed into a field; keys of pictures go to the last one used. */
function pressed(page, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { tagName, type } = event.target;
  if (tagName === "SELECT" || (tagName === "INPUT" && ["text", "number"].includes(type))) return;
  if (document.getElementById("help").open) return;
  const isSlider = tagName === "INPUT" && type === "range";
  if (isSlider && /^(Page|Arrow|Home|End)/.test(event.key)) return;
  const action = actionsOf(page)[event.key];
  if (action) {
    event.preventDefault();
    action();
  } else if (/^[[\],.+=\-0a]$/.test(event.key)) {
    page.active.picture.gestures.key(event);
  }
}

if (typeof module !== "undefined") module.exports = { actionsOf, pressed };
