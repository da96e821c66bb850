"use strict";
// Buttons and choices around the pictures, what the page says of the scan, and its start.

function wireControls(explorer) {
  const byId = (id) => document.getElementById(id);
  const tools = byId("tools");
  for (const [name, label, key] of TOOLS)
    tools.append(made("button", { type: "button", role: "radio", "data-tool": name, title: `${label} (${key})`, onclick: () => explorer.setTool(name) }, label));
  const { record } = explorer;
  byId("slice-choice").hidden = record.slices.length < 2;
  fillChoice(byId("slice"), record.slices.map(({ label }, n) => [String(n), label]), "0");
  byId("slice").onchange = () => explorer.set({ slice: Number(byId("slice").value) });
  byId("method").onchange = () => explorer.set({ method: Number(byId("method").value) });
  byId("more").onclick = () => explorer.set({ panes: [...explorer.state.panes, nextContent(explorer)] });
  byId("fewer").onclick = () => explorer.set({ panes: explorer.state.panes.slice(0, -1) });
  byId("compare").onclick = () => explorer.compare();
  byId("smooth").onclick = () => explorer.set({ isSmooth: !explorer.state.isSmooth });
  byId("auto").onclick = () => explorer.panes[0].picture.autoWindow();
  byId("fit").onclick = () => explorer.panes[0].picture.fit();
  byId("png").onclick = () => savePng(composed(explorer.panes, captionOf(explorer)), "malibu.png");
  byId("film").onclick = () => film(explorer);
  byId("film").disabled = !filmType();
  byId("film").title = filmType() ? "Two rounds of what plays, or of the heartbeat" : "This browser records no films";
  byId("link").onclick = () => copyLink(explorer);
  byId("help-button").onclick = () => byId("help").showModal();
  fillHelp(byId("help-keys"));
  listenToKeys(explorer);
  byId("strip").onkeydown = (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageDown: -50, PageUp: 50 }[event.key];
    if (!steps) return;
    event.preventDefault();
    explorer.axes.step("time", steps);
  };
  new ResizeObserver(() => showStrip(explorer)).observe(byId("strip"));
}

/** Something that is not shown yet. */
function nextContent({ contents, state }) {
  return (contents.find(({ key }) => !state.panes.includes(key)) || contents[0]).key;
}

function showControls(explorer) {
  const byId = (id) => document.getElementById(id);
  const { state, panes, methods } = explorer;
  for (const button of byId("tools").children) button.setAttribute("aria-checked", String(button.dataset.tool === state.tool));
  byId("smooth").setAttribute("aria-pressed", String(state.isSmooth));
  byId("pane-count").textContent = panes.length === 1 ? "1 picture" : `${panes.length} pictures`;
  byId("fewer").disabled = panes.length < 2;
  byId("more").disabled = panes.length >= 4;
  byId("compare").hidden = methods.length < 2;
  byId("compare").setAttribute("aria-pressed", String(state.panes.some((key) => key.startsWith("difference"))));
  byId("slice").value = String(state.slice);
  byId("method-choice").hidden = methods.length < 2;
  byId("method").value = String(state.method);
}

/** What the page says of a slice as a whole. */
function describeSlice(explorer) {
  const byId = (id) => document.getElementById(id);
  const { slice, methods } = explorer;
  const { meta } = slice;
  const { model, factor } = methods[0];
  const [phases, states] = model.sizes;
  const cells = phases * states * model.pulses.length;
  const parts = [
    methods.map(({ name }) => name).join(", "),
    `${slice.columns} × ${slice.rows} pixels of ${slice.pixelMm[1].toFixed(2)} mm`,
    `${factor.rank} basis maps`,
    model.hasTensor ? `${cells.toLocaleString("en")} frames: ${phases} cardiac phases × ${states} breathing positions × ${model.pulses.length} inversion times` : `${model.columns.toLocaleString("en")} moments`,
    meta.MalibuVersion && `malibu ${meta.MalibuVersion}`,
  ];
  byId("about").textContent = parts.filter(Boolean).join(" · ");
  byId("remarks").replaceChildren(...(meta.MalibuRemarks ? [made("p", { class: "label" }, made("strong", {}, "Beware: "), meta.MalibuRemarks)] : []));
  fillChoice(byId("method"), methods.map(({ name }, n) => [String(n), name]), "0");
  byId("presets").replaceChildren(...presetsOf(explorer).map(([label, changes]) => made("button", { type: "button", onclick: () => {
    explorer.axes.stop();
    explorer.set(changes);
  } }, label)));
}

/** Frames that have a name: those of malibu's other series. */
function presetsOf({ model, slice, first }) {
  if (!model.hasTensor) return [];
  const { BrightBloodPulse: bright, DarkBloodPulse: dark, T1CardiacBin: c, T1RespiratoryBin: r } = model.meta;
  const found = slice.absent.recovery ? [] : [["Bright blood", { pulse: bright }], ["Dark blood", { pulse: dark }]];
  if (c !== undefined) found.push(["State of the T1 map", { cardiac: c, respiratory: r }]);
  if (!slice.absent.respiratory) found.push(["End-expiration", { respiratory: first.respiratory }]);
  if (!slice.absent.cardiac) found.push(["End-diastole", { cardiac: 0 }]);
  return found;
}

function showStrip(explorer) {
  const canvas = document.getElementById("strip");
  const { strip, state, model, slice } = explorer;
  canvas.closest("section").hidden = !strip;
  if (!strip) return;
  const times = model.timesS();
  const moment = state.moment === null || !times ? null : times[state.moment];
  strip.draw({ cardiac: state.cardiac, respiratory: state.respiratory, moment });
  canvas.setAttribute("aria-valuemin", strip.start.toFixed(2));
  canvas.setAttribute("aria-valuemax", strip.end.toFixed(2));
  canvas.setAttribute("aria-valuenow", (moment ?? strip.start).toFixed(2));
  document.getElementById("strip-note").textContent = stripNote(explorer, moment, slice);
}

function stripNote({ strip, state, model }, moment, slice) {
  const { beatsS, ectopic } = slice.gating;
  const beats = beatsS.length ? `${beatsS.length} beats, ${ectopic.length} ectopic` : "no heartbeat";
  if (moment === null) {
    const step = model.record.step > 1 ? ` Every ${model.record.step}th spoke is here.` : "";
    return `${beats}. Marked below: what went into the frame that is shown. Click to see a moment as it was measured.${step}`;
  }
  const { respiratory_bin: breath, cardiac_bin: heart } = strip.at(moment);
  const bins = [heart >= 0 && `phase ${heart + 1}`, breath >= 0 && `breathing position ${breath + 1}`].filter(Boolean).join(", ");
  return `${beats}. Shown: ${moment.toFixed(2)} s${bins ? `, ${bins}` : ""}, as the real-time series has it.`;
}

/** The line below exported pictures. */
function captionOf(explorer) {
  const names = explorer.state.panes.map((key) => explorer.contents.find((content) => content.key === key)?.name || "Image");
  return `malibu · ${names.join(" | ")} · ${explorer.placeInWords()} · research use only - not a medical device`;
}

async function film(explorer) {
  const axis = explorer.axes.playing || (explorer.axes.rows.cardiac ? "cardiac" : Object.keys(explorer.axes.rows)[0]);
  if (!axis) return explorer.say("Nothing moves here: there is no film.");
  const { axes } = explorer;
  axes.stop();
  // A film of the whole scan would take as long as the scan.
  const cycleMs = Math.min(axes.cycleMs(axis), 10000);
  const canvas = composed(explorer.panes, captionOf(explorer));
  document.getElementById("film").disabled = true;
  explorer.say("The film is being recorded …");
  const blob = await recorded(canvas, cycleMs, 2, (share) => {
    const place = axes.placeAt(axis, share);
    if (place !== axes.placeOf(axis)) axes.go(axis, place);
    composed(explorer.panes, captionOf(explorer), canvas);
  });
  document.getElementById("film").disabled = false;
  const kind = blob.type.includes("mp4") ? "mp4" : "webm";
  saveAs(blob, `malibu.${kind}`);
  explorer.say(`malibu.${kind}, ${(blob.size / 1000).toFixed(0)} kB, is saved`);
}

async function copyLink(explorer) {
  const hash = hashOf(explorer.state, explorer.first);
  const address = `${location.href.split("#")[0]}${hash ? `#${hash}` : ""}`;
  explorer.say((await copied(address)) ? "The address of this view is in the clipboard." : `The address of this view: ${address}`);
}

/** Start, and what a console or a test may use. */
function startExplorer() {
  const record = JSON.parse(document.getElementById("explored").textContent);
  const explorer = new Explorer(record, (id) => document.getElementById(id).textContent);
  window.malibu = {
    explorer,
    openedMs: performance.now(),
    get state() {
      return explorer.state;
    },
    set: (changes) => explorer.set(changes),
    frame: (method = 0) => Array.from(explorer.frameOf(method)),
    /** Curve over the inversion times at the crosshair, turned to be real, and the fit, at the state of the T1 map. */
    fit: () => {
      const [x, y] = explorer.state.cross;
      const fit = fitAt(explorer, x, y);
      if (!fit) return null;
      const { T1CardiacBin, T1RespiratoryBin } = explorer.model.meta;
      const curve = recoveryCurve(explorer.model, explorer.method.factor.voxel(x, y), T1CardiacBin, T1RespiratoryBin, explorer.model.pulses);
      const { cos, sin } = fit.turned;
      return {
        pulses: explorer.model.pulses, curve: Array.from(curve.re, (re, n) => re * cos - curve.im[n] * sin), fit: Array.from(fit.fit),
        low: Array.from(fit.low), high: Array.from(fit.high), amplitude: fit.amplitude, inflow: fit.inflow,
      };
    },
    regions: () => explorer.table.entries().map(({ name, count, mean, deviation }) => ({ name, count, mean, deviation })),
    csv: () => explorer.table.csv(),
  };
}

if (typeof module === "undefined") startExplorer();
