// Draws the interactive figures of a run in the page's colours. If this fails, the page shows the static figures.
(() => {
  "use strict";
  const { figures, palette } = JSON.parse(document.getElementById("plots").textContent);

  let colouring = "share";

  const css = (name) => getComputedStyle(look.root).getPropertyValue(name).trim();

  // Maps a cell into the colour band of its severity: z = severity + strength, more strength for a larger share.
  function bySeverity(trace) {
    const bands = 1 + Math.max(...trace.customdata.flat());
    const full = Math.log10(0.1);  // full strength from 10 % of the true class on
    const strength = (log) => Math.min(1, Math.max(0, (log - trace.zmin) / Math.max(full - trace.zmin, 0.1)));
    const z = trace.z.map((line, row) => line.map((log, column) =>
      log === null ? null : trace.customdata[row][column] + 0.01 + 0.98 * strength(log)));
    const colorscale = Array.from({ length: bands }, (_, band) => {
      const colour = css(`--s${Math.min(band, 5)}`);
      return [[band / bands, mixed(css("--paper"), colour, 0.3)], [(band + 1) / bands, colour]];
    }).flat();
    return { ...trace, z, zmin: 0, zmax: bands, colorscale };
  }

  function mixed(paper, colour, share) {
    const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const target = parts(colour);
    return `rgb(${parts(paper).map((part, i) => Math.round(part + share * (target[i] - part))).join()})`;
  }

  function styled(node, figure) {
    const colours = look.colours();
    const shades = palette[look.dark.matches ? "dark" : "light"];
    const square = node.classList.contains("square");
    const data = figure.data.map((trace) => square && colouring === "severity" ? bySeverity(trace) : square
      ? { ...trace, colorscale: look.colourscale(shades.density) }
      : { ...trace, line: { ...trace.line, color: trace.meta === undefined ? colours.ink : shades.levels[trace.meta % shades.levels.length] } });
    const layout = look.layout(figure.layout, colours);
    if (square) {
      look.square(layout, data[0].x.length, node.clientWidth < 560, colours);
    } else {
      Object.assign(layout.xaxis, { showgrid: false, showline: true });
      layout.legend = look.legend();
      if (node.dataset.figure === "curves_accuracy") layout.yaxis.range = [0, 1];
    }
    return { data, layout };
  }

  function draw(node) {
    const { data, layout } = styled(node, figures[node.dataset.figure]);
    return Plotly.react(node, data, layout, look.config);
  }

  function visible() {
    return [...document.querySelectorAll(".plot")].filter((node) => !node.closest("[hidden]"));
  }

  function choose(tab, tabs) {
    for (const other of tabs) document.getElementById(other.getAttribute("aria-controls")).hidden = other !== tab;
    draw(document.querySelector(`#${tab.getAttribute("aria-controls")} .plot`));
  }

  function colour(button, buttons) {
    colouring = button.dataset.colouring;
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
    for (const scale of document.querySelectorAll(".scale")) scale.hidden = scale.dataset.scale !== colouring;
    visible().forEach(draw);
  }

  try {
    const colourings = [...document.querySelectorAll("[data-colouring]")];
    for (const button of colourings) button.addEventListener("click", () => colour(button, colourings));
    const tabs = [...document.querySelectorAll('[role="tab"]')];
    look.tabs(tabs, (tab) => choose(tab, tabs));
    for (const tab of tabs.slice(1)) document.getElementById(tab.getAttribute("aria-controls")).hidden = true;
    visible().forEach(draw);
    look.dark.addEventListener("change", () => visible().forEach(draw));
  } catch (error) {
    look.root.classList.remove("scripted");
    for (const panel of document.querySelectorAll(".matrix[hidden]")) panel.hidden = false;
    throw error;
  }
})();
