// One chart as a standalone SVG text: the server-side document that Observable Plot draws in, colours for light and dark.
// It owns the palette. What is drawn is decided in charts.ts.
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

/** What a chart's colours mean. */
export type Legend = ReadonlyArray<readonly [name: string, colour: string]>;

/** Who made a peer; each family has one hue. */
export type Family = "rfuse" | "libfuse in C" | "bindings in Node" | "no FUSE";

/** Colours that read on white and on near black: contrast of at least 3 against both. */
export const FAMILY_COLOURS: Record<Family, string> = {
  rfuse: "#d9480f",
  "libfuse in C": "#4a7fb5",
  "bindings in Node": "#4f8f4f",
  "no FUSE": "#8a8a8a",
};

/** Peers that are drawn as lines beside others, the same in every chart. */
const PEER_COLOURS: Readonly<Record<string, string>> = {
  raw: "#8a8a8a",
  passthrough_ll: "#4a7fb5",
  "passthrough_ll-mt": "#4a7fb5",
  "ll-newer": "#6b8fd6",
  "ll-newer-uring": "#2a9d8f",
  "rfuse-dev": "#d9480f",
  "rfuse-dev-percore": "#d9480f",
  "rfuse-uring": "#c2577e",
  "rfuse-passthrough": "#b58900",
  "fuse-native": "#4f8f4f",
  "fuse-napi": "#8fae3f",
};

/** For lines of one chart and parts of one bar, in turn. */
export const SERIES = ["#d9480f", "#4a7fb5", "#4f8f4f", "#9467bd", "#b58900", "#2a9d8f", "#c2577e", "#8a8a8a"];

/** The colour of each of some peers: its own, or the next of the series that none of them has. */
export function peerColours(peers: readonly string[]): string[] {
  const own = peers.flatMap((peer) => PEER_COLOURS[peer] ?? []);
  const free = SERIES.filter((colour) => !own.includes(colour));
  let turn = 0;
  return peers.map((peer) => PEER_COLOURS[peer] ?? free[turn++ % free.length] ?? "currentColor");
}

export function familyOf(peer: string): Family {
  if (peer === "raw") return "no FUSE";
  if (peer.startsWith("rfuse")) return "rfuse";
  return peer === "fuse-native" || peer === "fuse-napi" ? "bindings in Node" : "libfuse in C";
}

const STYLE = `svg{color:#1c1c1c;font-family:system-ui,sans-serif}
@media (prefers-color-scheme:dark){svg{color:#e4e4e4}}`;

/** Draws a plot and gives its SVG, with `title` as its accessible name. */
export function drawSvg(title: string, options: Plot.PlotOptions): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const style = { background: "transparent", color: "currentColor", fontSize: "12px", overflow: "visible" };
  const drawn = Plot.plot({ ...options, document, style, figure: false } as Plot.PlotOptions);
  drawn.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  drawn.setAttribute("role", "img");
  const name = document.createElementNS("http://www.w3.org/2000/svg", "title");
  name.textContent = title;
  const css = document.createElementNS("http://www.w3.org/2000/svg", "style");
  css.textContent = STYLE;
  drawn.prepend(name, css);
  return drawn.outerHTML;
}

const HEAD = 22;
const LETTER = 7.2;
const SWATCH = 22;

// Rows of entries, each as wide as its letters are on the average.
function legendRows(legend: Legend, width: number): { x: number; row: number; name: string; colour: string }[] {
  let x = 0;
  let row = 0;
  return legend.map(([name, colour]) => {
    const wide = SWATCH + name.length * LETTER + 8;
    if (x > 0 && x + wide > width) {
      x = 0;
      row++;
    }
    const placed = { x, row, name, colour };
    x += wide;
    return placed;
  });
}

/** A chart that stands alone, as a file: its title and legend above what is drawn. */
export function standaloneSvg({ title, legend, svg }: { title: string; legend: Legend; svg: string }): string {
  const { document } = parseHTML(`<!doctype html><html><body>${svg}</body></html>`);
  const drawn = document.querySelector("svg");
  const [width, height] = [Number(drawn?.getAttribute("width")), Number(drawn?.getAttribute("height"))];
  const entries = legendRows(legend, width - 16);
  const above = HEAD * (2 + Math.max(-1, ...entries.map(({ row }) => row)));
  const text = (value: string) => value.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const swatches = entries.map(({ x, row, name, colour }) => {
    const y = HEAD * (1 + row);
    return `<rect x="${x + 8}" y="${y + 4}" width="11" height="11" rx="2" fill="${colour}"/><text x="${x + 24}" y="${y + 14}">${text(name)}</text>`;
  });
  drawn?.setAttribute("y", String(above));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height + above}" viewBox="0 0 ${width} ${height + above}" role="img" font-size="12" fill="currentColor"><title>${text(title)}</title><style>${STYLE}</style><text x="8" y="15" font-size="14" font-weight="600">${text(title)}</text>${swatches.join("")}${drawn?.outerHTML ?? ""}</svg>\n`;
}
