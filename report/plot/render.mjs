// SPDX-License-Identifier: Apache-2.0
// node render.mjs SPEC.json OUT svg|png: a Vega-Lite specification as a picture, in the light theme.
import {readFileSync, writeFileSync} from "node:fs";
import {createRequire} from "node:module";
import {runInThisContext} from "node:vm";

const here = (name) => new URL(name, import.meta.url);
for (const library of ["vega.min.js", "vega-lite.min.js"]) runInThisContext(readFileSync(here(library), "utf8"), {filename: library});

const [specification, out, format] = process.argv.slice(2);
const theme = JSON.parse(readFileSync(here("theme.json"), "utf8")).light;
const config = {...theme, font: "DejaVu Sans, Verdana, sans-serif"};
const spec = JSON.parse(readFileSync(specification, "utf8"));
const compiled = vegaLite.compile(spec, {config, logger: vega.logger(vega.Error)}).spec;
const svg = await new vega.View(vega.parse(compiled), {renderer: "none", logLevel: vega.Error}).toSVG();
if (format === "png") {
  const {Resvg} = createRequire(import.meta.url)("@resvg/resvg-js");
  const picture = new Resvg(svg, {fitTo: {mode: "zoom", value: 1.5}, font: {loadSystemFonts: true, defaultFontFamily: "DejaVu Sans"}});
  writeFileSync(out, picture.render().asPng());
} else {
  writeFileSync(out, svg);
}
