// What was read, as a list of facts with warnings, other series and removed headers.

import { h } from "./dom.js";
import { number } from "./numbers.js";

const KINDS = { dicom: "DICOM", nifti: "NIfTI", nrrd: "NRRD", mha: "MetaImage" };

export function factsOf(input, name) {
  const { shape, spacing_mm: spacing, series } = input;
  const rows = [
    ["From", name],
    ["Kind", KINDS[input.kind] ?? input.kind],
    ["Series", series && seriesText(series)],
    ["Voxels", times(shape, 0)],
    ["Spacing", `${times(spacing, 2)} mm`],
    [
      "Size",
      `${times(
        shape.map((count, i) => (count * spacing[i]) / 10),
        0,
      )} cm`,
    ],
    ["Axes", input.axis_codes],
  ].filter(([, value]) => value);
  return [
    h(
      "dl",
      {},
      rows.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
    ),
    (input.warnings ?? []).length
      ? h(
          "ul",
          { class: "sp-warnings" },
          input.warnings.map((line) => h("li", {}, line)),
        )
      : null,
    more("Other series, left out", (input.other_series ?? []).map(seriesText)),
    more("Removed from the DICOM headers", input.removed_headers ?? []),
  ].filter(Boolean);
}

function seriesText({ description, slices, reason }) {
  return [description || "without description", slices && `${slices} slices`, reason]
    .filter(Boolean)
    .join(", ");
}

function more(title, lines) {
  if (!lines.length) return null;
  return h(
    "details",
    {},
    h("summary", {}, `${title} (${lines.length})`),
    h(
      "ul",
      {},
      lines.map((line) => h("li", {}, line)),
    ),
  );
}

const times = (values, digits) => values.map((value) => number(value, digits)).join(" × ");
