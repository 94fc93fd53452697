// PNG files (W3C PNG, third edition) as small as this needs: read as a browser writes them, written with a palette where
// there are few colours, or where `colours` allows to bring the rare ones to their nearest.

import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");

/** Width, height and the pixels, four bytes each. Reads eight bits a channel, with or without alpha, not interlaced. */
export function read(file) {
  const parts = [];
  let head;
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    const [length, name] = [file.readUInt32BE(at), file.toString("latin1", at + 4, at + 8)];
    if (name === "IHDR") head = file.subarray(at + 8, at + 8 + length);
    if (name === "IDAT") parts.push(file.subarray(at + 8, at + 8 + length));
  }
  const [width, height, depth, kind] = [head.readUInt32BE(0), head.readUInt32BE(4), head[8], head[9]];
  if (depth !== 8 || ![2, 6].includes(kind) || head[12] !== 0) throw new Error(`a PNG of another kind: ${depth} ${kind}`);
  const channels = kind === 6 ? 4 : 3;
  const lines = unfiltered(inflateSync(Buffer.concat(parts)), width * channels, channels, height);
  const pixels = Buffer.alloc(width * height * 4, 255);
  for (let pixel = 0; pixel < width * height; pixel++) lines.copy(pixels, pixel * 4, pixel * channels, (pixel + 1) * channels);
  return { width, height, pixels };
}

function unfiltered(data, stride, step, height) {
  const out = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = data[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x >= step ? out[at - step] : 0;
      const up = y > 0 ? out[at - stride] : 0;
      const corner = x >= step && y > 0 ? out[at - stride - step] : 0;
      const guess = [0, left, up, (left + up) >> 1, nearest(left, up, corner)][filter];
      out[at] = data[y * (stride + 1) + 1 + x] + guess;
    }
  }
  return out;
}

/** Paeth's predictor. */
function nearest(left, up, corner) {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/** The picture as a file; with more than 256 colours it keeps them all, unless `colours` says how many are enough. */
export function write({ width, height, pixels }, { colours = Infinity } = {}) {
  const counts = new Map();
  for (let at = 0; at < pixels.length; at += 4) {
    const colour = pixels.readUInt32BE(at);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const common = [...counts].sort(([, a], [, b]) => b - a).map(([colour]) => colour);
  if (common.length > Math.min(256, colours) && colours > 256) return plain(width, height, pixels);
  const palette = common.slice(0, Math.min(256, colours));
  const place = new Map(palette.map((colour, index) => [colour, index]));
  for (const colour of common.slice(palette.length)) place.set(colour, closest(palette, colour));
  const lines = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) lines[y * (width + 1) + 1 + x] = place.get(pixels.readUInt32BE((y * width + x) * 4));
  }
  const rgb = Buffer.from(palette.flatMap((colour) => [colour >>> 24, (colour >>> 16) & 255, (colour >>> 8) & 255]));
  const alpha = Buffer.from(palette.map((colour) => colour & 255));
  const clear = alpha.some((value) => value < 255) ? [chunk("tRNS", alpha)] : [];
  return assembled(width, height, 3, [chunk("PLTE", rgb), ...clear], lines);
}

/** All four channels; each line by the filter that leaves the least. */
function plain(width, height, pixels) {
  const stride = width * 4;
  const lines = [];
  for (let y = 0; y < height; y++) {
    const near = (x, back, above) => (x >= back && y >= above ? pixels[(y - above) * stride + x - back] : 0);
    const guesses = [
      () => 0,
      (x) => near(x, 4, 0),
      (x) => near(x, 0, 1),
      (x) => (near(x, 4, 0) + near(x, 0, 1)) >> 1,
      (x) => nearest(near(x, 4, 0), near(x, 0, 1), near(x, 4, 1)),
    ];
    const tries = guesses.map((guess, filter) => {
      const line = Buffer.from([filter, ...Array.from({ length: stride }, (_, x) => pixels[y * stride + x] - guess(x))]);
      return { line, weight: line.subarray(1).reduce((sum, byte) => sum + Math.min(byte, 256 - byte), 0) };
    });
    lines.push(tries.reduce((best, next) => (next.weight < best.weight ? next : best)).line);
  }
  return assembled(width, height, 6, [], Buffer.concat(lines));
}

function closest(palette, colour) {
  const channels = (of) => [of >>> 24, (of >>> 16) & 255, (of >>> 8) & 255, of & 255];
  const wanted = channels(colour);
  const distance = (of) => channels(of).reduce((sum, value, index) => sum + (value - wanted[index]) ** 2, 0);
  let best = 0;
  for (let index = 1; index < palette.length; index++) if (distance(palette[index]) < distance(palette[best])) best = index;
  return best;
}

function assembled(width, height, kind, between, lines) {
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, kind, 0, 0, 0]);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  const data = chunk("IDAT", deflateSync(lines, { level: 9, memLevel: 9 }));
  return Buffer.concat([SIGNATURE, chunk("IHDR", head), ...between, data, chunk("IEND", Buffer.alloc(0))]);
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const frame = Buffer.alloc(8 + body.length);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE(crc32(body) >>> 0, 4 + body.length);
  return frame;
}
