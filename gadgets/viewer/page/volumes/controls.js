"use strict";
// The controls around the pictures: each sets the page's state, and tells what the state is.

/** Digits after the point that show a number to a tenth of a quantum, at most 6. */
function digitsFor(quantum) {
  return Math.max(0, Math.min(6, Math.ceil(-Math.log10(quantum / 10))));
}

class Controls {
  constructor(page) {
    this.page = page;
    this.by = (id) => document.getElementById(id);
    this.fillScans();
    this.bindChoices();
    this.bindNumbers();
    this.bindButtons();
  }

  fillScans() {
    const { scans, inFile } = this.page.told;
    this.by("scan").replaceChildren(...scans.map((scan, number) => new Option(scan.label, number)));
    this.by("scan-choice").hidden = scans.length < 2;
    this.by("scan").addEventListener("change", (event) => this.page.set({ scan: Number(event.target.value) }));
    if (scans.length < inFile) {
      this.leftOut = `This page holds the first ${scans.length} of the file's ${inFile} volumes: no more fit. `;
    }
  }

  /** What depends on the volume that is chosen: its versions, and what malibu told of them. */
  fillVersions() {
    const { page } = this;
    const radios = page.kinds.map((kind) => labelled("radio", "shown", kind, capital(page.nameOf(kind))));
    this.by("shown").replaceChildren(this.by("shown").querySelector("legend"), ...radios);
    const others = page.kinds.map((kind) => new Option(capital(page.nameOf(kind)), kind));
    this.by("beside").replaceChildren(new Option("Nothing", ""), ...others);
    this.by("beside").disabled = page.kinds.length < 2;
    this.by("values").tBodies[0].replaceChildren(...page.kinds.map((kind) => {
      const row = document.createElement("tr");
      row.dataset.kind = kind;
      row.append(...[capital(page.nameOf(kind)), ""].map((text) => element("td", text)));
      row.lastChild.className = "n";
      return row;
    }));
    this.by("slab").max = page.thickest;
    this.by("slab").min = Math.min(...page.grid.spacing);
    const facts = Object.entries({ ...page.scan.facts, ...page.storage() });
    this.by("facts").replaceChildren(...facts.flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
    const { scans } = page.told;
    const which = scans.length === 1 ? `${capital(page.scan.label)}, the only volume of the file. ` : "";
    this.by("mind").textContent = (this.leftOut || "") + which + capital(page.scan.facts.Mind || "")
      + (page.kinds.length < 2 ? ". The file holds no other version of it, so there is nothing to compare it with." : "");
  }

  bindChoices() {
    for (const name of ["shown", "mode", "tool"]) {
      this.by(name).addEventListener("change", (event) => this.page.set({ [name]: event.target.value }));
    }
    this.by("beside").addEventListener("change", (event) => this.page.set({ beside: event.target.value }));
    this.by("slab").addEventListener("input", (event) => {
      const { mode } = this.page.state;
      this.page.set({ slab: Number(event.target.value), mode: mode === "plane" ? "max" : mode });
    });
    this.by("smooth").addEventListener("change", (event) => this.page.set({ isSmooth: event.target.checked }));
  }

  bindNumbers() {
    const number = (id) => Number(this.by(id).value);
    const windowed = () => this.page.set({
      window: [number("level") - number("width") / 2, number("level") + number("width") / 2] });
    this.by("level").addEventListener("change", windowed);
    this.by("width").addEventListener("change", windowed);
    this.by("spread").addEventListener("change", () => this.page.set({ spread: number("spread") }));
  }

  bindButtons() {
    const { page } = this;
    this.by("exchange").addEventListener("click", () => page.exchange());
    this.by("reset").addEventListener("click", () => page.reset());
    this.by("png").addEventListener("click", () => page.savePicture());
    this.by("link").addEventListener("click", () => this.copyLink());
    this.by("keys").addEventListener("click", () => this.by("help").showModal());
  }

  /** Copy the address; where the browser does not let a page do so, show it for copying by hand. */
  async copyLink() {
    this.page.remember();
    const text = location.href.split("#")[0] + this.page.hash();
    try {
      await navigator.clipboard.writeText(text);
      this.say("The link to this view is copied.");
    } catch {
      this.by("link-choice").hidden = false;
      this.by("link-text").value = text;
      this.by("link-text").select();
      this.say("Copy the link from here:");
    }
  }

  say(text) {
    this.by("said").textContent = text;
  }

  tell() {
    const { page } = this;
    const { state } = page;
    this.by("scan").value = state.scan;
    for (const name of ["shown", "mode", "tool"]) {
      for (const radio of this.by(name).querySelectorAll("input")) radio.checked = radio.value === state[name];
    }
    this.by("beside").value = state.beside;
    this.by("exchange").disabled = !state.beside;
    this.by("slab").value = state.slab;
    this.by("slab-told").textContent = `${state.slab.toFixed(1)} mm`;
    this.by("smooth").checked = state.isSmooth;
    this.tellWindow();
    this.tellValues();
  }

  tellWindow() {
    const { page } = this;
    const { window, spread } = page.state;
    const text = (value) => value.toPrecision(4);
    const [low, high] = window;
    this.by("level").value = text((low + high) / 2);
    this.by("width").value = text(high - low);
    this.by("spread").value = text(spread);
    this.by("spread").parentElement.hidden = !page.kinds.includes("difference");
    const isSeen = (isDifference) => [page.state.shown, page.state.beside]
      .some((kind) => kind && !page.recordOf(kind).window && (kind === "difference") === isDifference);
    this.scale("grey-scale", isSeen(false), "grey", [text(low), text(high)]);
    this.scale("difference-scale", isSeen(true), "berlin", [`−${text(spread)}`, "0", `+${text(spread)}`]);
  }

  scale(id, isSeen, colours, ends) {
    const scale = this.by(id);
    scale.hidden = !isSeen;
    scale.querySelector(".strip").style.background = colourGradient(colours);
    scale.querySelector("output").replaceChildren(...ends.map((end) => element("span", end)));
  }

  tellValues() {
    const { page } = this;
    const { at } = page.state;
    this.by("place").textContent = `${placeText(placeOf(page.grid, at))}\nvoxel x ${at[0]}, y ${at[1]}, z ${at[2]}`;
    for (const row of this.by("values").tBodies[0].rows) {
      const { kind } = row.dataset;
      row.lastChild.textContent = this.page.valueText(kind);
      const isShown = kind === page.state.shown || kind === page.state.beside;
      row.toggleAttribute("aria-current", isShown);
    }
  }
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function labelled(type, name, value, text) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type, name, value });
  label.append(input, element("span", text));
  return label;
}

if (typeof module !== "undefined") module.exports = { Controls, digitsFor };
