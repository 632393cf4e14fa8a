// Score and density of actions over match time, with what is missing as bands.
"use strict";
(() => {
  if (typeof uPlot === "undefined") return;

  const HEIGHT = 220;
  let plot = null;
  let data = null;
  let shown = "";
  let asking = new AbortController();

  const place = () => document.querySelector("#chart[data-chart]");
  const colour = (name, other) => getComputedStyle(document.documentElement).getPropertyValue(name).trim() || other;
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  function palette() {
    return {
      text: colour("--pico-color", "#888"),
      grid: colour("--pico-muted-border-color", "#8884"),
      home: colour("--home", "#1769c2"),
      away: colour("--away", "#c2410c"),
      density: colour("--density", "#8886"),
      gap: colour("--gap", "#dc262644"),
      suspended: colour("--suspended", "#f59e0b44"),
    };
  }

  function bands(plot) {
    const { ctx, bbox } = plot;
    const colours = palette();
    ctx.save();
    for (const band of data.bands) {
      const [from, to] = [band.from, band.to].map((x) => plot.valToPos(x, "x", true));
      ctx.fillStyle = colours[band.kind] || colours.gap;
      ctx.fillRect(from, bbox.top, Math.max(2 * devicePixelRatio, to - from), bbox.height);
    }
    ctx.strokeStyle = ctx.fillStyle = colours.text;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    for (const period of data.periods) {
      const x = Math.round(plot.valToPos(period.at, "x", true));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.fillText(period.label, x + 4 * devicePixelRatio, bbox.top + 2 * devicePixelRatio);
    }
    ctx.restore();
  }

  function side(name) {
    const label = document.querySelector(`#score .side.${name}`)?.textContent.trim() || name;
    return { label, scale: "score", width: 2, points: { show: false } };
  }

  function options(width) {
    const colours = palette();
    const axis = { stroke: colours.text, grid: { stroke: colours.grid, width: 1 }, ticks: { stroke: colours.grid } };
    const steps = uPlot.paths.stepped({ align: 1 });
    const whole = (_, splits) => splits.map((value) => (Number.isInteger(value) ? value : ""));
    return {
      width,
      height: HEIGHT,
      scales: {
        x: { time: false },
        score: { range: (_, __, most) => [0, Math.max(2, most + 1)] },
        density: { range: (_, __, most) => [0, Math.max(1, most * 2)] },
      },
      axes: [
        { ...axis, values: (_, splits) => splits.map(clock) },
        { ...axis, scale: "score", values: whole, size: 36 },
      ],
      series: [
        { label: "Clock", value: (_, x) => (x === null ? "–" : clock(x)) },
        {
          label: "Actions a minute", scale: "density", fill: colours.density, stroke: colours.density, width: 0,
          paths: steps, points: { show: false },
        },
        { ...side("home"), stroke: colours.home, paths: steps },
        { ...side("away"), stroke: colours.away, paths: steps, dash: [6, 3] },
      ],
      hooks: { drawClear: [bands] },
    };
  }

  function values() {
    return [data.x, data.density, data.home, data.away];
  }

  function canvas(root) {
    let found = root.querySelector(".plot");
    if (!found) {
      found = document.createElement("div");
      found.className = "plot";
      found.setAttribute("aria-hidden", "true"); // the text beside it says the same
      root.prepend(found);
    }
    return found;
  }

  function draw() {
    plot?.destroy();
    plot = null;
    const root = place();
    if (!root || !data || !data.x.length) return;
    const where = canvas(root);
    const width = Math.floor(where.clientWidth);
    if (width < 50) return;
    plot = new uPlot(options(width), values(), where);
    root.dataset.drawn = "1";
  }

  async function show(again) {
    const root = place();
    if (!root) return;
    watching.disconnect();
    watching.observe(root);
    if (plot && !root.contains(plot.root)) canvas(root).append(plot.root); // until the new one is there
    if (root.dataset.chart === shown && !again) return;
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const wanted = root.dataset.chart;
      const answer = await fetch(wanted, { signal, headers: { Accept: "application/json" } });
      if (!answer.ok) return; // the text beside it stays
      data = await answer.json();
      shown = wanted;
      draw();
    } catch (error) {
      if (error.name !== "AbortError") delete place()?.dataset.drawn;
    }
  }

  let fitting = 0;
  const watching = new ResizeObserver(() => {
    cancelAnimationFrame(fitting);
    fitting = requestAnimationFrame(() => {
      const where = place()?.querySelector(".plot");
      if (!where) return;
      if (plot) plot.setSize({ width: Math.max(50, Math.floor(where.clientWidth)), height: HEIGHT });
      else draw();
    });
  });

  document.addEventListener("page:changed", (event) => event.detail.root.id === "match" && show(false));
  document.addEventListener("page:chart", () => show(true));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  show(true);
})();
