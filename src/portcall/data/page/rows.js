// The rows of a table as they stand in the page: columns of numbers, or of words and the place of each row's word.

async function unpacked(id) {
  const octets = atob(document.getElementById(id).textContent);
  const packed = new Uint8Array(octets.length);
  for (let at = 0; at < octets.length; at += 1) packed[at] = octets.charCodeAt(at); // from() would take ten times as long
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

class Rows {
  constructor({ by, rows, rows_left_out, bytes_left_out, columns }) {
    this.by = by;
    this.count = rows;
    this.rowsLeftOut = rows_left_out;
    this.bytesLeftOut = bytes_left_out;
    for (const column of columns) if (column.words) column.codes ??= everyRow(rows);
    this.columns = new Map(columns.map((column) => [column.name, column]));
  }

  has(name) {
    return this.columns.has(name);
  }

  /** The value of a column in a row; null where it has none. */
  value(name, row) {
    const column = this.columns.get(name);
    if (!column) return null;
    return column.numbers ? column.numbers[row] : column.words[column.codes[row]];
  }

  /** The same as text that may be shown. */
  text(name, row) {
    const value = this.value(name, row);
    if (value === null) return "";
    return visible(Array.isArray(value) ? value.join(" ") : String(value));
  }

  sum(names, row) {
    return names.reduce((total, name) => total + (this.value(name, row) ?? 0), 0);
  }
}

/** Rows of one column each, made here. */
function madeRows(by, names, lists) {
  const columns = names.map((name, at) => {
    const values = lists.map((list) => list[at]);
    const isText = values.some((value) => typeof value === "string");
    return isText ? { name, words: values, codes: values.map((_, row) => row) } : { name, numbers: values };
  });
  return new Rows({ by, rows: lists.length, rows_left_out: 0, bytes_left_out: 0, columns });
}

/** Float64Array of what rows are sorted by; NaN for nothing, which stands last in either order. */
function sortKeys(rows, column) {
  const keys = new Float64Array(rows.count);
  const stored = column.measure ? null : rows.columns.get(column.name);
  if (stored?.words) {
    const texts = stored.words.map((word) => (word === null ? null : String(word).toLowerCase()));
    const ranked = [...new Set(texts)].filter((text) => text !== null).sort();
    const ranks = new Map(ranked.map((text, rank) => [text, rank]));
    const ofWords = texts.map((text) => ranks.get(text) ?? NaN);
    for (let row = 0; row < rows.count; row += 1) keys[row] = ofWords[stored.codes[row]];
    return keys;
  }
  const measure = column.measure ?? ((row) => rows.value(column.name, row));
  for (let row = 0; row < rows.count; row += 1) keys[row] = measure(row) ?? NaN;
  return keys;
}

function sorted(indexes, keys, isDescending) {
  const sign = isDescending ? -1 : 1;
  return indexes.sort((a, b) => {
    const [one, other] = [keys[a], keys[b]];
    if (one === other || (one !== one && other !== other)) return a - b;
    if (one !== one || other !== other) return one !== one ? 1 : -1;
    return sign * (one - other);
  });
}

/** Uint32Array of the rows in which each word of the query stands somewhere; `address:port` means both of one end. */
function matching(rows, names, query, accepts) {
  const tests = query.toLowerCase().split(/\s+/).filter(Boolean).map((word) => wordTest(rows, names, word));
  const found = new Uint32Array(rows.count);
  let count = 0;
  for (let row = 0; row < rows.count; row += 1) {
    if ((!accepts || accepts(row)) && tests.every((test) => test(row))) found[count++] = row;
  }
  return found.subarray(0, count);
}

function wordTest(rows, names, word) {
  const columns = names.map((name) => rows.columns.get(name)).filter(Boolean);
  const tests = columns.map((column) => {
    if (column.numbers) return (row) => String(column.numbers[row] ?? "") === word;
    const hits = hitsIn(column.words, word);
    return hits && ((row) => hits[column.codes[row]] === 1);
  });
  const [, address, port] = word.match(/^(?:\[(?=.*\]))?(.*?)\]?:(\d+)$/) ?? [];
  for (const end of port ? ["client", "server"] : []) {
    const [addresses, ports] = [rows.columns.get(`${end}_ip`), rows.columns.get(`${end}_port`)];
    const hits = addresses && ports && hitsIn(addresses.words, address);
    if (hits) tests.push((row) => ports.numbers[row] === Number(port) && hits[addresses.codes[row]] === 1);
  }
  const useful = tests.filter(Boolean);
  return (row) => useful.some((test) => test(row));
}

function hitsIn(words, part) {
  const hits = Uint8Array.from(words, (word) => (word !== null && visible(String(word)).toLowerCase().includes(part) ? 1 : 0));
  return hits.includes(1) ? hits : null;
}
