// Sorts the table of runs, draws all learning curves in one plot and the confusion matrix of the selected run.
(() => {
  "use strict";
  const { levels, runs, views, palette } = JSON.parse(document.getElementById("data").textContent);
  const dashes = ["solid", "dash", "dot", "dashdot"];
  const by = (id) => document.getElementById(id);
  const chosen = (id) => by(id).querySelector('[aria-selected="true"]').dataset.value;
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const shades = () => palette[look.dark.matches ? "dark" : "light"];

  function sortable(table) {
    const heads = [...table.querySelectorAll("th")];
    heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      const value = (row) => row.cells[column].dataset.value;
      const numeric = rows.every((row) => value(row) !== "" && !Number.isNaN(Number(value(row))));
      rows.sort((a, b) => (numeric ? value(a) - value(b) : value(a).localeCompare(value(b))) * (down ? -1 : 1));
      table.tBodies[0].append(...rows);
    }));
  }

  function curves() {
    const [what, part, level, key] = [chosen("what"), chosen("part"), chosen("head"), by("colour").value];
    const group = (run) => key === "run" ? run.label : run.at[key];
    const groups = [...new Set(runs.map(group))];
    const colours = shades().levels;
    const seen = new Set();
    const data = runs.map((run) => {
      const name = group(run), place = groups.indexOf(name), values = run.curves[part][what][level];
      const first = !seen.has(name);
      seen.add(name);
      return {
        type: "scatter", mode: values.length > 1 ? "lines" : "markers", x: values.map((_, i) => i + 1), y: values,
        name: escaped(name), legendgroup: name, showlegend: first,
        line: { color: colours[place % colours.length], dash: dashes[Math.floor(place / colours.length) % dashes.length], width: 2 },
        hovertemplate: `<b>${escaped(run.label)}</b><br>epoch %{x}: %{y:${what === "accuracy" ? ".2%" : ".3f"}}<extra></extra>`,
      };
    });
    const share = what === "accuracy";
    const longest = Math.max(...data.map((trace) => trace.x.length));
    const given = {
      xaxis: { title: { text: "epoch" }, dtick: longest <= 8 ? 1 : undefined },
      yaxis: { title: { text: share ? `${level} accuracy` : `${level} loss, in nats` }, tickformat: share ? ".0%" : "", rangemode: "tozero" },
      hovermode: "closest", showlegend: true,
    };
    const layout = look.layout(given, look.colours());
    Object.assign(layout.xaxis, { showgrid: false, showline: true });
    layout.legend = look.legend();
    Plotly.react(by("plot-curves"), data, layout, look.config);
  }

  // Zero-width spaces make equal names different: plotly would merge them into one row.
  function distinct(names) {
    const seen = new Map();
    return names.map((name) => {
      const times = seen.get(name) ?? 0;
      seen.set(name, times + 1);
      return escaped(name) + "\u200b".repeat(times);
    });
  }

  function matrix() {
    const run = runs.find((some) => some.name === by("run").value), level = chosen("level");
    const { order, names, severity, severities, squares } = views[level];
    const counts = order.map((row) => order.map((column) => run.confusion[level][row][column]));
    const totals = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
    const share = (i, j) => counts[i][j] / Math.max(1, totals[i]);
    const logs = counts.map((row, i) => row.map((count, j) => count ? Math.log10(share(i, j)) : null));
    const seen = logs.flat().filter((value) => value !== null);
    const text = counts.map((row, i) => row.map((count, j) => {
      const height = severity[i][j];
      const rank = `severity ${height}: ${escaped(severities[height])}`;
      return count ? `${count} of ${totals[i]} · ${(100 * share(i, j)).toFixed(1)} %<br>${rank}` : `never · ${rank}`;
    }));
    const labels = distinct(names), gap = names.length <= 40 ? 1 : 0;
    const data = [{
      type: "heatmap", x: labels, y: labels, z: logs, text, zmin: Math.min(-1, Math.max(-4, Math.min(...seen))), zmax: 0,
      xgap: gap, ygap: gap, showscale: false, hoverongaps: true, colorscale: look.colourscale(shades().density),
      hovertemplate: "true <b>%{y}</b><br>predicted <b>%{x}</b><br>%{text}<extra></extra>",
    }];
    const colours = look.colours();
    const layout = look.layout({
      xaxis: { type: "category", title: { text: "predicted" } },
      yaxis: { type: "category", title: { text: "true" }, autorange: "reversed" },
      shapes: squares.map(([start, stop, height]) => ({
        type: "rect", x0: start - 0.5, x1: stop - 0.5, y0: start - 0.5, y1: stop - 0.5, line: { width: 0.75 + 0.75 * height },
      })),
    }, colours);
    look.square(layout, names.length, by("plot-matrix").clientWidth < 560, colours);
    Plotly.react(by("plot-matrix"), data, layout, look.config);
  }

  try {
    sortable(document.querySelector(".runs"));
    const redraw = [];
    if (runs.length && levels.length && by("plot-curves")) {
      for (const id of ["what", "part", "head"]) look.tabs([...by(id).children], curves);
      by("colour").addEventListener("change", curves);
      redraw.push(curves);
    }
    if (by("plot-matrix")) {
      look.tabs([...by("level").children], matrix);
      by("run").addEventListener("change", matrix);
      redraw.push(matrix);
    }
    redraw.forEach((draw) => draw());
    look.dark.addEventListener("change", () => redraw.forEach((draw) => draw()));
  } catch (error) {
    look.root.classList.remove("scripted");
    throw error;
  }
})();
