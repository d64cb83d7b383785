// Draws the page's charts when they come into view, in the colours of the paper, and lets them be moved by buttons and keys.
(() => {
  "use strict";
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)").matches;
  const places = [...document.querySelectorAll("[data-chart]")];
  const chartOf = (place) => charts[Number(place.dataset.chart)];
  const webgl = Boolean(document.createElement("canvas").getContext("webgl"));

  async function unpacked() {
    const text = atob(document.getElementById("library").textContent);
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  function recolour({ data, layout }) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    for (const trace of data) {
      if (trace.marker) trace.marker.color = colour(trace.meta);
      if (trace.line) trace.line.color = colour(trace.meta);
      if (trace.type === "heatmap") trace.colorscale = [[0, colour("soft")], [1, colour("heat")]];
      if (trace.textfont) trace.textfont.color = colour("ink");
      if (trace.type === "scattergl" && !webgl) trace.type = "scatter";
    }
    layout.paper_bgcolor = layout.plot_bgcolor = colour("paper");
    layout.font.color = colour("ink");
    for (const axis of axes(layout)) {
      layout[axis].gridcolor = layout[axis].linecolor = colour("line");
    }
    for (const note of layout.annotations || []) {
      if (!note.font) continue;
      note.font.color = colour("ink");
      if (note.showarrow) Object.assign(note, { arrowcolor: colour("ink"), bordercolor: colour("ink"), bgcolor: colour("paper") });
    }
  }

  const axes = (layout) => Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));
  const gl = (chart) => chart.data.some((trace) => trace.type === "scattergl");

  // Marks as large as a cell is, so that a raster stays one when it is zoomed.
  function fit(place) {
    const full = place._fullLayout, chart = chartOf(place);
    const sizes = chart.data.map((trace) => {
      if (trace.mode !== "markers" || !("meta" in trace) || trace.name.endsWith("spikes")) return null;
      const y = full[(trace.yaxis || "y").replace("y", "yaxis")];
      const cell = Math.min(...[full.xaxis, y].map((axis) => axis._length / Math.abs(axis.range[1] - axis.range[0])));
      return Math.max(trace.meta === "agreed" ? 2.5 : 5, Math.min(0.8 * cell, 16));
    });
    const changed = sizes.flatMap((size, at) => (size && Math.abs(size / chart.data[at].marker.size - 1) > 0.2 ? [at] : []));
    if (changed.length) Plotly.restyle(place, { "marker.size": changed.map((at) => sizes[at]) }, changed);
  }

  async function draw(place) {
    const chart = chartOf(place);
    if (place.dataset.drawn) return;
    place.dataset.drawn = "yes";
    recolour(chart);
    chart.layout.dragmode = coarse ? false : "zoom";
    await Plotly.newPlot(place, chart.data, chart.layout, { displayModeBar: false, responsive: true, doubleClick: false });
    place.on("plotly_relayout", () => fit(place));
    place.on("plotly_doubleclick", () => show(place, "whole"));
    fit(place);
    place.dataset.ready = "yes";
  }

  // A browser has few graphics contexts: those out of sight are given back; where one looked is kept in the layout.
  function erase(place) {
    if (!place.dataset.ready || !gl(chartOf(place))) return;
    place.style.minHeight = `${place.offsetHeight}px`;
    Plotly.purge(place);
    delete place.dataset.drawn;
    delete place.dataset.ready;
  }

  function ranges(place) {
    const full = place._fullLayout;
    return Object.fromEntries(axes(full).map((name) => [name, full[name].range.map(Number)]));
  }

  function move(place, changed) {
    const update = {};
    for (const [name, range] of Object.entries(changed)) update[`${name}.range`] = range;
    return Plotly.relayout(place, update);
  }

  function show(place, view) {
    const found = chartOf(place).views[view];
    const free = axes(place._fullLayout).filter((name) => !(found && name in found) && !chartOf(place).layout[name].range);
    const update = Object.fromEntries(free.map((name) => [`${name}.autorange`, chartOf(place).layout[name].autorange || true]));
    for (const [name, range] of Object.entries(found || {})) update[`${name}.range`] = [...range];
    return Plotly.relayout(place, update);
  }

  function zoom(place, by) {
    const ring = (place._fullLayout.annotations || []).find((note) => note.showarrow);
    const at = ranges(place);
    for (const [name, [a, b]] of Object.entries(at)) {
      const middle = (a + b) / 2, half = ((b - a) / 2) * by;
      at[name] = [middle - half, middle + half];
    }
    // What is pointed at stays where it is.
    if (ring && by < 1) {
      for (const name of ["xaxis", ring.yref.replace("y", "yaxis")]) {
        const [a, b] = ranges(place)[name], centre = Number(name === "xaxis" ? ring.x : ring.y);
        const within = (centre - a) * (centre - b) <= 0;
        if (within) at[name] = [centre - (centre - a) * by, centre + (b - centre) * by];
      }
    }
    return move(place, at);
  }

  function pan(place, across, down) {
    const at = ranges(place);
    for (const [name, [a, b]] of Object.entries(at)) {
      const by = (b - a) * (name.startsWith("x") ? across : -down);
      at[name] = [a + by, b + by];
    }
    return move(place, at);
  }

  const KEYS = {
    ArrowLeft: (place) => pan(place, -0.25, 0),
    ArrowRight: (place) => pan(place, 0.25, 0),
    ArrowUp: (place) => pan(place, 0, -0.25),
    ArrowDown: (place) => pan(place, 0, 0.25),
    "+": (place) => zoom(place, 0.5),
    "=": (place) => zoom(place, 0.5),
    "-": (place) => zoom(place, 2),
    "0": (place) => show(place, "whole"),
  };

  function controls(place) {
    const bar = document.createElement("div");
    bar.className = "controls";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", `move ${place.getAttribute("aria-label")}`);
    const { views } = chartOf(place);
    const buttons = [
      ["+", "zoom in", KEYS["+"]], ["\u2212", "zoom out", KEYS["-"]],
      ["\u2190", "to the left", KEYS.ArrowLeft], ["\u2192", "to the right", KEYS.ArrowRight],
      ["\u2191", "up", KEYS.ArrowUp], ["\u2193", "down", KEYS.ArrowDown],
      ["all", "show all", KEYS["0"]],
    ];
    if (views.first) buttons.push(["first difference", "show the first difference", (at) => show(at, "first")]);
    for (const [text, name, act] of buttons) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.setAttribute("aria-label", text.length > 3 ? text : name);
      button.addEventListener("click", () => draw(place).then(() => act(place)));
      bar.append(button);
    }
    place.after(bar);
    place.tabIndex = 0;
    place.addEventListener("keydown", (event) => {
      const act = event.ctrlKey || event.altKey || event.metaKey ? undefined : KEYS[event.key];
      if (!act || !place.dataset.ready) return;
      event.preventDefault();
      act(place);
    });
  }

  for (const place of places) if (Object.keys(chartOf(place).views).length) controls(place);
  unpacked().then(() => {
    const seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) isIntersecting ? draw(target) : erase(target);
    }, { rootMargin: "300px 0px" });
    places.forEach((place) => seen.observe(place));
    dark.addEventListener("change", () => {
      for (const place of places.filter((one) => one.dataset.ready)) {
        recolour(chartOf(place));
        Plotly.react(place, chartOf(place).data, place.layout);
      }
    });
    document.documentElement.dataset.charts = "ready";
  });
})();
