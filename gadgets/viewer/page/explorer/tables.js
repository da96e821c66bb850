"use strict";
// The table of regions, and its export.

class RegionTable {
  constructor(explorer) {
    this.explorer = explorer;
    this.table = document.getElementById("regions");
    document.getElementById("csv").onclick = () => this.save();
    document.getElementById("clear-regions").onclick = () => explorer.set({ regions: [] });
  }

  /** One entry for each outline: name, colour, and T1 inside; the signal where there is no T1. */
  entries() {
    const { explorer } = this;
    const { slice, maps, fields, state } = explorer;
    const t1 = maps.t1_map ? fields.of(maps.t1_map.values) : null;
    const deviations = maps.t1_uncertainty ? fields.of(maps.t1_uncertainty.values) : null;
    return state.regions.flatMap((region, index) =>
      outlines(region).map(({ name, points }, part) => {
        const pixels = pixelsWithin(points, slice.rows, slice.columns);
        const values = t1 ? statistics(t1, pixels, true) : statistics(explorer.frameOf(0), pixels);
        const fits = deviations ? statistics(deviations, pixels.filter((pixel) => t1[pixel] > 0)) : null;
        return { index, part, name, ...values, fitDeviation: fits ? fits.mean : NaN, region };
      }));
  }

  show() {
    const { state, maps, slice } = this.explorer;
    const key = JSON.stringify([state.slice, state.regions, maps.t1_map ? 0 : this.explorer.frameKey()]);
    if (key === this.shown) return;
    this.shown = key;
    const what = maps.t1_map ? "T1, ms" : "signal";
    const heads = ["region", "pixels", what, "± s.d.", ...(maps.t1_map ? ["fit s.d."] : []), ""];
    const top = made("tr", {}, ...heads.map((text) => made("th", { scope: "col" }, text)));
    const rows = this.entries().map((entry, number) => this.row(entry, number, Boolean(maps.t1_map)));
    this.table.replaceChildren(...(rows.length ? [made("thead", {}, top), made("tbody", {}, ...rows)] : []));
    for (const id of ["csv", "clear-regions"]) document.getElementById(id).disabled = !rows.length;
    document.getElementById("region-hint").textContent = rows.length
      ? `${maps.t1_map ? "Of pixels with a T1. " : ""}${(slice.pixelMm[0] * slice.pixelMm[1]).toFixed(2)} mm² a pixel.`
      : "Choose circle, polygon or bullseye above, and draw in a picture.";
  }

  row(entry, number, hasT1) {
    const swatch = made("span", { class: "swatch" });
    swatch.style.background = REGION_COLOURS[number % REGION_COLOURS.length];
    const cells = [String(entry.count), whole(entry.mean), whole(entry.deviation), ...(hasT1 ? [whole(entry.fitDeviation)] : [])];
    const last = made("td", { class: "n" });
    if (entry.part === 0) last.append(...this.buttons(entry));
    return made("tr", {}, made("td", {}, swatch, entry.name), ...cells.map((text) => made("td", { class: "n" }, text)), last);
  }

  buttons({ index, region }) {
    const { explorer } = this;
    const changed = (change) => explorer.set({ regions: explorer.state.regions.flatMap((one, n) => (n === index ? change(one) : [one])) });
    const remove = made("button", { type: "button", "aria-label": `Remove ${region.name}`, title: "Remove", onclick: () => changed(() => []) }, "✕");
    if (region.kind !== "bullseye") return [remove];
    const mirror = made("button", { type: "button", title: "Turn the sense of the segments", "aria-label": `Mirror ${region.name}`,
      onclick: () => changed((one) => [{ ...one, isMirrored: !one.isMirrored }]) }, "⇄");
    return [mirror, " ", remove];
  }

  csv() {
    const { explorer } = this;
    const isT1 = Boolean(explorer.maps.t1_map);
    const what = isT1 ? "T1" : "signal";
    const unit = isT1 ? " (ms)" : "";
    const heads = ["region", "pixels", `${what} mean${unit}`, `${what} standard deviation${unit}`, "mean standard deviation of the fit (ms)"];
    const rows = this.entries().map((entry) => [entry.name, entry.count, ...[entry.mean, entry.deviation, entry.fitDeviation].map(plain)]);
    const { meta } = explorer.slice;
    const about = `malibu ${meta.MalibuVersion || ""}, ${meta.MalibuReconstruction || ""}, research use only - not a medical device`;
    return csvOf([heads, ...rows, [about]]);
  }

  save() {
    saveAs(new Blob([this.csv()], { type: "text/csv" }), "malibu_regions.csv");
  }
}

function whole(value) {
  return Number.isFinite(value) ? value.toFixed(Math.abs(value) < 10 ? 1 : 0) : "–";
}

function plain(value) {
  return Number.isFinite(value) ? Number(value.toFixed(3)) : "";
}

if (typeof module !== "undefined") module.exports = { RegionTable };
