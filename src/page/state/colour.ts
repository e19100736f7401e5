/** Colours as people name them, and the few tones that a picture is drawn in. */

/** Hue in degrees, saturation and lightness in per cent. */
type Hsl = readonly [number, number, number];

export interface Tones {
  readonly ground: string;
  /** Four that go together, the last one to catch the eye. */
  readonly fills: readonly string[];
}

const NAMED: Readonly<Record<string, Hsl>> = {
  red: [2, 66, 48],
  crimson: [348, 72, 42],
  rust: [16, 62, 40],
  terracotta: [14, 52, 53],
  coral: [12, 80, 65],
  orange: [28, 85, 55],
  brown: [25, 40, 34],
  brass: [42, 52, 48],
  gold: [44, 70, 50],
  mustard: [45, 72, 46],
  yellow: [48, 88, 58],
  ivory: [46, 46, 86],
  cream: [42, 52, 85],
  beige: [36, 34, 76],
  white: [40, 12, 92],
  olive: [66, 36, 36],
  sage: [104, 18, 56],
  green: [130, 38, 40],
  emerald: [154, 58, 34],
  mint: [154, 40, 70],
  teal: [182, 56, 32],
  turquoise: [176, 52, 48],
  blue: [214, 58, 48],
  navy: [220, 52, 25],
  indigo: [240, 40, 40],
  lavender: [262, 36, 70],
  purple: [280, 38, 44],
  violet: [270, 46, 56],
  plum: [310, 30, 36],
  pink: [340, 62, 72],
  blush: [8, 52, 80],
  rose: [345, 52, 60],
  charcoal: [220, 8, 27],
  grey: [220, 6, 56],
  gray: [220, 6, 56],
  black: [230, 12, 16],
};

/** The named colours in some texts, in their order and each once. */
export function coloursOf(texts: readonly string[]): Hsl[] {
  const words = texts.flatMap((text) => text.toLowerCase().split(/[^a-z]+/));
  return [...new Set(words)].flatMap((word) => (Object.hasOwn(NAMED, word) ? [NAMED[word]!] : []));
}

/** Tones around the first colour, with the second to catch the eye; around a drawn hue where none is named. */
export function tonesOf([first, second]: readonly Hsl[], hash: number, draw: () => number): Tones {
  const [hue, saturation, lightness]: Hsl = first ?? [(hash + 40 * draw()) % 360, 42, 50];
  const isDark = lightness < 40;
  const away = 24 + 26 * draw();
  const ground: Hsl = [hue + 8, saturation * 0.55, isDark ? 84 : Math.min(93, lightness + 34)];
  const accent: Hsl = second ?? [hue + 150 + away, 55, 60];
  return {
    ground: css(ground),
    fills: [
      css([hue, saturation, lightness]),
      css([hue - away, saturation * 0.8, clamp(lightness + 16)]),
      css([hue + away / 2, saturation * 0.9, clamp(lightness - 14)]),
      css(accent),
    ],
  };
}

const clamp = (lightness: number): number => Math.min(88, Math.max(14, lightness));

const css = ([hue, saturation, lightness]: Hsl): string =>
  `hsl(${((hue + 360) % 360).toFixed(0)} ${saturation.toFixed(0)}% ${lightness.toFixed(0)}%)`;
