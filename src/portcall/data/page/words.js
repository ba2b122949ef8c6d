// Numbers and names as people read them. What came from a packet becomes text here, and never markup.

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;

/** The text with each character that is not printable as \x1b or \u202e, as portcall shows it on a terminal. */
function visible(text) {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0);
    const [mark, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
    return `\\${mark}${code.toString(16).padStart(digits, "0")}`;
  });
}

function bytesText(count) {
  let unit = 0;
  while (count >= 999.5 && unit < BYTE_UNITS.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${count.toFixed(!unit || count >= 99.95 ? 0 : count >= 9.995 ? 1 : 2)}\u00a0${BYTE_UNITS[unit]}`;
}

function countText(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, "\u00a0");
}

function countedText(count, thing) {
  return `${countText(count)} ${thing}${count === 1 ? "" : "s"}`;
}

function shareText(part, whole) {
  const percent = whole ? (100 * part) / whole : 0;
  if (!part || part === whole) return part ? "100\u00a0%" : "0\u00a0%";
  if (percent < 0.1) return "<0.1\u00a0%";
  return `${percent < 9.95 ? percent.toFixed(1) : Math.min(Math.round(percent), 99)}\u00a0%`;
}

function durationText(ns) {
  const seconds = ns / 1e9;
  if (seconds < 60) {
    const [amount, unit] = seconds < 1 ? [ns / 1e6, "ms"] : [seconds, "s"];
    return `${Number(amount.toPrecision(3))}\u00a0${unit}`;
  }
  let left = Math.floor(seconds);
  const words = [];
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    if (left >= length) words.push(`${Math.floor(left / length)}\u00a0${unit}`);
    left %= length;
  }
  return words.slice(0, 2).join(" ");
}

/** A moment of nanoseconds since 1970 in UTC; without its day where all is on one, with as many decimals as wanted. */
function momentText(ns, { withDay = true, decimals = 3 } = {}) {
  const parts = 10 ** decimals;
  const all = Math.floor(((ns + 256) / 1e9) * parts); // numbers of today's size are up to 256 ns apart
  const whole = Math.floor(all / parts);
  const fraction = decimals ? `.${String(all - whole * parts).padStart(decimals, "0")}` : "";
  const date = new Date(whole * 1000);
  if (Number.isNaN(date.getTime())) return `${countText(whole)}\u00a0s`;
  const [day, time] = date.toISOString().replace("Z", "").split("T");
  return `${withDay ? `${day}\u00a0` : ""}${time.slice(0, 8)}${fraction}`;
}

function endText(address, port) {
  return !port ? address : address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** A new element with this text in it, and no way for the text to be anything else. */
function element(name, text, properties = {}) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  return Object.assign(made, properties);
}
