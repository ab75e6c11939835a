// What both pages share: colours from the style sheet, the layout of plotly figures, tabs.
const look = (() => {
  "use strict";
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)").matches;
  const config = {
    displaylogo: false, showTips: false, responsive: true, doubleClick: "reset",
    displayModeBar: false,
  };

  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function colours() {
    return { ink: css("--ink"), quiet: css("--quiet"), rule: css("--rule"), paper: css("--paper") };
  }

  function axis(given, shades) {
    return {
      ...given, color: shades.quiet, gridcolor: shades.rule, linecolor: shades.rule, zeroline: false, ticks: "",
      automargin: true, title: { ...given.title, font: { size: 13 }, standoff: 12 },
    };
  }

  function layout(given, shades) {
    const font = { family: css("--sans"), size: 13, color: shades.ink };
    return {
      ...given, font, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis(given.xaxis, shades), yaxis: axis(given.yaxis, shades),
      margin: { l: 8, r: 12, t: 8, b: 8 }, dragmode: coarse ? false : "zoom",
      hoverlabel: { bgcolor: shades.paper, bordercolor: shades.rule, font: { ...font, color: shades.ink }, align: "left" },
    };
  }

  function colourscale(density) {
    return density.map((colour, i, all) => [i / (all.length - 1), colour]);
  }

  function square(layout, classes, narrow, shades) {
    const size = classes > 40 ? (narrow ? 8 : 10) : narrow ? 9 : 12;
    for (const side of ["xaxis", "yaxis"]) {
      Object.assign(layout[side], { showgrid: false, showline: true, mirror: true, tickfont: { size }, nticks: 0 });
    }
    layout.xaxis.tickangle = -90;
    layout.shapes = (layout.shapes ?? []).map((shape) => ({ ...shape, line: { ...shape.line, color: shades.quiet } }));
    if (narrow) Object.assign(layout.yaxis, { title: { text: "" } });
  }

  function legend() {
    return { orientation: "h", x: 0, xanchor: "left", y: 0, yref: "container", yanchor: "bottom", font: { size: 12 } };
  }

  function tabs(buttons, choose) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const pick = (button) => {
      for (const other of buttons) {
        other.setAttribute("aria-selected", String(other === button));
        other.tabIndex = other === button ? 0 : -1;
      }
      choose(button);
    };
    buttons.forEach((button, index) => {
      button.addEventListener("click", () => pick(button));
      button.addEventListener("keydown", (event) => {
        if (!(event.key in steps)) return;
        event.preventDefault();
        const next = buttons[(index + steps[event.key] + buttons.length) % buttons.length];
        pick(next);
        next.focus();
      });
    });
  }

  return { root, dark, config, colours, layout, colourscale, square, legend, tabs };
})();
