// Numbers as people read them.

export function number(value, digits = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const text = Number(value).toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return text.replace(/^-(?=[0.,]*$)/, "").replace("-", "−");
}

export function percent(share) {
  if (share === null || share === undefined) return "–";
  const value = 100 * share;
  if (value > 99 && value < 100) return "> 99 %";
  if (value > 0 && value < 1) return "< 1 %";
  return `${Math.round(value)} %`;
}

// 7 -> "7 s", 95 -> "1 min 35 s", 4000 -> "1 h 7 min"
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return whole % 60 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${whole / 60} min`;
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}

// A forecast is not exact to the second, and should not look so.
export function about(seconds) {
  if (seconds < 1) return "about a second";
  if (seconds < 20) return `about ${Math.ceil(seconds)} s`;
  if (seconds < 100) return `about ${5 * Math.ceil(seconds / 5)} s`;
  return `about ${Math.ceil(seconds / 60)} min`;
}

export function megabytes(mb) {
  if (mb === null || mb === undefined) return "–";
  if (mb >= 1000) return `${number(mb / 1000, 1)} GB`;
  return `${number(mb, mb < 10 ? 1 : 0)} MB`;
}

export const triple = (values, digits = 0) => values.map((value) => number(value, digits)).join(", ");
