// Draws the living figures in the page's own colours. Where this fails, the stills stand in.
(() => {
  "use strict";
  const root = document.documentElement;
  const { figures, palette } = JSON.parse(document.getElementById("plots").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)").matches;
  const config = {
    displaylogo: false, showTips: false, responsive: true, doubleClick: "reset",
    displayModeBar: false,
  };

  let colouring = "share";

  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function axis(given, colours) {
    return {
      ...given, color: colours.quiet, gridcolor: colours.rule, linecolor: colours.rule, zeroline: false, ticks: "",
      automargin: true, title: { ...given.title, font: { size: 13 }, standoff: 12 },
    };
  }

  // Bands of one colour each: a cell stands in the band of its severity, the farther up the more often it happened.
  function bySeverity(trace) {
    const bands = 1 + Math.max(...trace.customdata.flat());
    const full = Math.log10(0.1);  // from one in ten on, a colour is full
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
    const there = parts(colour);
    return `rgb(${parts(paper).map((part, i) => Math.round(part + share * (there[i] - part))).join()})`;
  }

  function styled(node, figure) {
    const colours = { ink: css("--ink"), quiet: css("--quiet"), rule: css("--rule"), paper: css("--paper") };
    const shades = palette[dark.matches ? "dark" : "light"];
    const narrow = node.clientWidth < 560;
    const font = { family: css("--sans"), size: 13, color: colours.ink };
    const square = node.classList.contains("square");
    const data = figure.data.map((trace) => square && colouring === "severity" ? bySeverity(trace) : square
      ? { ...trace, colorscale: shades.density.map((colour, i, all) => [i / (all.length - 1), colour]) }
      : { ...trace, line: { ...trace.line, color: trace.meta === undefined ? colours.ink : shades.levels[trace.meta % shades.levels.length] } });
    const layout = {
      ...figure.layout, font, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis(figure.layout.xaxis, colours), yaxis: axis(figure.layout.yaxis, colours),
      margin: { l: 8, r: 12, t: 8, b: 8 }, dragmode: coarse ? false : "zoom",
      hoverlabel: { bgcolor: colours.paper, bordercolor: colours.rule, font: { ...font, color: colours.ink }, align: "left" },
    };
    if (square) {
      const size = data[0].x.length > 40 ? (narrow ? 8 : 10) : narrow ? 9 : 12;
      for (const side of ["xaxis", "yaxis"]) {
        Object.assign(layout[side], { showgrid: false, showline: true, mirror: true, tickfont: { size }, nticks: 0 });
      }
      layout.xaxis.tickangle = -90;
      layout.shapes = (figure.layout.shapes ?? []).map((shape) => ({ ...shape, line: { ...shape.line, color: colours.quiet } }));
      if (narrow) Object.assign(layout.yaxis, { title: { text: "" } });
    } else {
      Object.assign(layout.xaxis, { showgrid: false, showline: true });
      layout.legend = { orientation: "h", x: 0, xanchor: "left", y: 0, yref: "container", yanchor: "bottom", font: { size: 12 } };
      if (node.dataset.figure === "curves_accuracy") layout.yaxis.range = [0, 1];
    }
    return { data, layout };
  }

  function draw(node) {
    const { data, layout } = styled(node, figures[node.dataset.figure]);
    return Plotly.react(node, data, layout, config);
  }

  function visible() {
    return [...document.querySelectorAll(".plot")].filter((node) => !node.closest("[hidden]"));
  }

  function choose(tab, tabs) {
    for (const other of tabs) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", String(chosen));
      other.tabIndex = chosen ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
    }
    draw(document.querySelector(`#${tab.getAttribute("aria-controls")} .plot`));
  }

  function listen(tabs) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    tabs.forEach((tab, index) => {
      tab.addEventListener("click", () => choose(tab, tabs));
      tab.addEventListener("keydown", (event) => {
        if (!(event.key in steps)) return;
        event.preventDefault();
        const next = tabs[(index + steps[event.key] + tabs.length) % tabs.length];
        choose(next, tabs);
        next.focus();
      });
    });
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
    listen(tabs);
    for (const tab of tabs.slice(1)) document.getElementById(tab.getAttribute("aria-controls")).hidden = true;
    visible().forEach(draw);
    dark.addEventListener("change", () => visible().forEach(draw));
  } catch (error) {
    root.classList.remove("scripted");
    for (const panel of document.querySelectorAll(".matrix[hidden]")) panel.hidden = false;
    throw error;
  }
})();
