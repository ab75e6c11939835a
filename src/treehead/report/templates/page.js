// Draws the living figures in the page's own colours. Where this fails, the stills stand in.
(() => {
  "use strict";
  const { figures, palette } = JSON.parse(document.getElementById("plots").textContent);

  function styled(node, figure) {
    const colours = look.colours();
    const shades = palette[look.dark.matches ? "dark" : "light"];
    const square = node.classList.contains("square");
    const data = figure.data.map((trace) => square
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

  try {
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
