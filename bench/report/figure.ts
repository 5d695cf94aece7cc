// One chart as a standalone SVG text: the server-side document that Observable Plot draws in, colours for light and dark.
// It owns the palette. What is drawn is decided in charts.ts.
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

/** Who made a peer; each family has one hue. */
export type Family = "rfuse" | "libfuse in C" | "bindings in Node" | "no FUSE";

/** Colours that read on white and on near black: contrast of at least 3 against both. */
export const FAMILY_COLOURS: Record<Family, string> = {
  rfuse: "#d9480f",
  "libfuse in C": "#4a7fb5",
  "bindings in Node": "#4f8f4f",
  "no FUSE": "#8a8a8a",
};

/** For lines of one chart and parts of one bar, in turn. */
export const SERIES = ["#d9480f", "#4a7fb5", "#4f8f4f", "#9467bd", "#b58900", "#2a9d8f", "#c2577e", "#8a8a8a"];

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
