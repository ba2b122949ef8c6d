// Traffic over time: areas stacked by app, drawn by uPlot. Colours come with patterns, so neither is needed alone.

const SCHEMES = {
  light: {
    ground: "#ffffff", text: "#1a1d21", line: "#dfe3e8", rest: "#6b7280", none: "#a3a9b3",
    colours: ["#0b62a8", "#b85c00", "#1b7f4d", "#8a3d94", "#b3263a", "#00787d", "#7a5a00", "#4a4fb5"],
  },
  dark: {
    ground: "#15181c", text: "#e9ecef", line: "#2d343c", rest: "#9aa3ad", none: "#6d757e",
    colours: ["#5aa9f0", "#f0a04b", "#57c98a", "#d08be0", "#ff7d8a", "#4fd0d6", "#d9b84a", "#9ea4ff"],
  },
};
const TILE = 8;
/** Lines and dots on a tile of 8 by 8: [x, y, width, height]. The first series is plain. */
const diagonal = (isUp) => Array.from({ length: TILE }, (_, at) => [at, isUp ? TILE - 1 - at : at, 1.5, 1.5]);
const PATTERNS = [
  [], diagonal(true), [[1, 1, 2, 2], [5, 5, 2, 2]], [[0, 3, 8, 1.5]], diagonal(false), [[3, 0, 1.5, 8]],
  [...diagonal(true), ...diagonal(false)], [[0, 3, 8, 1], [3, 0, 1, 8]],
];
const TICKS_S = [
  ...[-6, -5, -4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`))),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200],
  ...[1, 2, 5, 10, 20, 50, 100, 365, 1000, 3650].map((days) => days * 86400),
];

function fillOf(scheme, at, isNone, isRest) {
  const scale = Math.max(1, Math.round(devicePixelRatio));
  const tile = element("canvas", null, { width: TILE * scale, height: TILE * scale });
  const context = tile.getContext("2d");
  context.scale(scale, scale);
  context.fillStyle = isNone ? scheme.none : isRest ? scheme.rest : scheme.colours[at % scheme.colours.length];
  context.fillRect(0, 0, TILE, TILE);
  context.fillStyle = scheme.ground;
  context.globalAlpha = 0.55;
  const marks = isNone ? [[0, 1, 8, 1], [0, 5, 8, 1]] : isRest ? [] : PATTERNS[at % PATTERNS.length];
  for (const mark of marks) context.fillRect(...mark);
  return context.createPattern(tile, "repeat");
}

const MOST_STEPS = 150;
const TIMES = [1, 2, 5];

/** The least 1, 2, 5, 10 ... times a bucket with which a span of buckets is few enough steps. */
function timesFor(span) {
  for (let power = 1; ; power *= 10) {
    const found = TIMES.find((digit) => span / (digit * power) <= MOST_STEPS);
    if (found) return found * power;
  }
}

/** Steps for uPlot, `times` buckets wide: a point where each begins, and one of nothing where traffic stops. */
function steps({ buckets, first_ns: first, width_ns: width }, times) {
  const origin = Math.round(first / width);
  const offset = origin - Math.floor(origin / times) * times;
  const [xs, ofBucket] = [[], new Uint32Array(buckets.length)];
  let end = null;
  buckets.forEach((bucket, at) => {
    const step = Math.floor((bucket + offset) / times) * times - offset;
    if (step + times !== end) {
      if (end !== null && end !== step) xs.push(end);
      xs.push(step);
      end = step + times;
    }
    ofBucket[at] = xs.length - 1;
  });
  xs.push(end);
  return { xs, ofBucket };
}

/** How many decimals of a second tell steps apart. */
function decimalsFor(stepS) {
  return stepS < 1 ? Math.min(6, Math.ceil(-Math.log10(stepS) - 1e-9)) : 0;
}

class TrafficChart {
  /** `times` is what the page has over time; `onView(first, last, rates)` hears of each bucket range that is shown. */
  constructor(place, times, onView, onCursor) {
    Object.assign(this, { place, times, onView, onCursor, direction: "both" });
    this.widthS = times.width_ns / 1e9;
    this.dayNs = Math.floor(times.first_ns / 864e11) * 864e11;
    this.offsetS = (times.first_ns - this.dayNs) / 1e9;
    const { xs } = steps(times, timesFor(times.buckets[times.buckets.length - 1] + 1));
    this.whole = [this.seconds(xs[0]), this.seconds(xs[xs.length - 1])];
    this.view = this.whole;
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const draw = () => this.draw(dark.matches ? "dark" : "light");
    dark.addEventListener("change", draw);
    addEventListener("beforeprint", () => this.draw("light"));
    addEventListener("afterprint", draw);
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(place);
    draw();
  }

  size() {
    return { width: Math.max(200, this.place.clientWidth), height: 340 };
  }

  seconds(bucket) {
    return this.offsetS + bucket * this.widthS;
  }

  /** Bytes of a series in one of the buckets, in the direction that was chosen. */
  bytes(series, at) {
    const { out, in: back } = series;
    return (this.direction === "in" ? 0 : out[at]) + (this.direction === "out" ? 0 : back[at]);
  }

  /** What uPlot draws: times, and the heights of all series in bytes a second, each upon those before it, highest first. */
  data() {
    this.stepTimes = this.wantedTimes();
    const { xs, ofBucket } = steps(this.times, this.stepTimes);
    Object.assign(this, { xs, ofBucket });
    const below = new Float64Array(xs.length);
    const heights = this.times.series.map((series) => {
      ofBucket.forEach((step, at) => (below[step] += this.bytes(series, at) / this.stepS));
      return Float64Array.from(below);
    });
    return [xs.map((bucket) => this.seconds(bucket)), ...heights.reverse()];
  }

  wantedTimes() {
    return timesFor((this.view[1] - this.view[0]) / this.widthS);
  }

  get stepS() {
    return this.stepTimes * this.widthS;
  }

  draw(schemeName) {
    const scheme = SCHEMES[schemeName];
    this.scheme = scheme;
    this.plot?.destroy();
    this.place.replaceChildren();
    const axis = { stroke: scheme.text, grid: { stroke: scheme.line, width: 1 }, ticks: { stroke: scheme.line }, font: "12px system-ui, sans-serif" };
    const stepped = uPlot.paths.stepped({ align: 1 });
    const options = {
      ...this.size(),
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false }, bind: { dblclick: () => () => this.zoomTo(...this.whole) } },
      scales: { x: { time: false, min: this.view[0], max: this.view[1] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.05 : 1] } },
      axes: [
        { ...axis, incrs: TICKS_S, space: 90, values: (_, splits, __, ___, step) => splits.map((at) => this.clock(at, step)) },
        { ...axis, size: 80, values: (_, splits) => splits.map((rate) => `${bytesText(rate)}/s`) },
      ],
      series: [{}, ...this.times.series.map((_, at) => ({
        stroke: scheme.ground, width: 1, paths: stepped, points: { show: false }, fill: this.fill(this.times.series.length - 1 - at),
      }))],
      hooks: { setScale: [(plot, key) => key === "x" && this.changed(plot)], setCursor: [(plot) => this.pointed(plot)] },
    };
    this.plot = new uPlot(options, this.data(), this.place);
  }

  fill(at) {
    const { name, is_rest: isRest } = this.times.series[at];
    return fillOf(this.scheme, at, name === null && !isRest, isRest);
  }

  swatch(at) {
    const canvas = element("canvas", null, { width: 26, height: 16, className: "swatch" });
    const context = canvas.getContext("2d");
    context.fillStyle = this.fill(at);
    context.fillRect(0, 0, 26, 16);
    return canvas;
  }

  /** The time of a tick, `at` seconds since the first day began: as much of it as tells it from its neighbours. */
  clock(at, step) {
    const decimals = decimalsFor(step);
    const seconds = Math.round(at * 10 ** decimals) / 10 ** decimals;
    const [day, time] = momentText(this.dayNs + Math.floor(seconds) * 1e9, { decimals: 0 }).split("\u00a0");
    if (time === undefined || step >= 86400) return day;
    if (this.whole[1] >= 86400 && seconds % 86400 === 0) return day.slice(5);
    if (decimals) return time + (seconds % 1).toFixed(decimals).slice(1);
    return step % 60 ? time : time.slice(0, 5);
  }

  changed(plot) {
    const { min, max } = plot.scales.x;
    this.view = [min, max];
    if (this.wantedTimes() !== this.stepTimes) {
      this.stepTimes = this.wantedTimes();
      queueMicrotask(() => {
        this.plot.setData(this.data(), false);
        this.plot.redraw();
      });
    }
    const first = Math.floor((min - this.offsetS) / this.widthS + 1e-6);
    const last = Math.ceil((max - this.offsetS) / this.widthS - 1e-6);
    this.onView(first, last, this);
  }

  /** Tell the bytes a second of each series at the pointer; null where it points at nothing. */
  pointed(plot) {
    const { left } = plot.cursor;
    if (left === undefined || left < 0) return this.onCursor(null);
    const bucket = (plot.posToVal(left, "x") - this.offsetS) / this.widthS;
    const step = this.xs.findLastIndex((one) => one <= bucket);
    const rates = this.times.series.map((series) => {
      let sum = 0;
      this.ofBucket.forEach((of, at) => (sum += of === step ? this.bytes(series, at) : 0));
      return sum / this.stepS;
    });
    return this.onCursor(rates);
  }

  /** Nanoseconds since 1970 of where a bucket begins. */
  startNs(bucket) {
    return this.times.first_ns + bucket * this.times.width_ns;
  }

  show(direction) {
    this.direction = direction;
    this.plot.setData(this.data(), false);
    this.plot.redraw();
    this.changed(this.plot);
  }

  zoomTo(min, max) {
    const [first, last] = this.whole;
    const width = Math.min(last - first, Math.max(max - min, Math.min(this.widthS, last - first)));
    const start = Math.min(Math.max(min, first), last - width);
    this.plot.setScale("x", { min: start, max: start + width });
  }

  /** Show this part of what is shown, in times of its width around its middle. */
  zoom(times) {
    const [min, max] = this.view;
    const [middle, half] = [(min + max) / 2, ((max - min) / 2) * times];
    this.zoomTo(middle - half, middle + half);
  }

  move(share) {
    const [min, max] = this.view;
    const far = (max - min) * share;
    this.zoomTo(min + far, max + far);
  }
}
