/**
 * The picture of a pin that brings none, drawn from what it says of itself: its colours from the names of colours in its
 * attributes or title, its pattern from its first keyword, so that alike pins look alike, the rest from its id.
 */
import type { ComponentChild } from 'preact';
import { coloursOf, type Tones, tonesOf } from '../state/colour.ts';
import { drawBy, hashOf } from '../state/draw.ts';
import { keywordsOf, type Shown, titleOf } from '../state/pin.ts';

/** Draws on 120 units across; height is given. */
type Pattern = (draw: () => number, tones: Tones, height: number) => ComponentChild;

const WIDTH = 120;
const HEIGHTS = [96, 112, 128, 150, 168];

export function Artwork({ pin }: { readonly pin: Shown }) {
  const draw = drawBy(pin.id);
  const kind = keywordsOf(pin)[0] ?? pin.id;
  const tones = tonesOf(coloursOf([...keywordsOf(pin), titleOf(pin)]), hashOf(kind), draw);
  const height = HEIGHTS[Math.floor(draw() * HEIGHTS.length)]!;
  const pattern = PATTERNS[hashOf(kind) % PATTERNS.length]!;
  return (
    <svg class="picture" viewBox={`0 0 ${WIDTH} ${height}`} aria-hidden="true">
      <rect width={WIDTH} height={height} fill={tones.ground} />
      {pattern(draw, tones, height)}
    </svg>
  );
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Hills one behind the other, under a sun. */
const hills: Pattern = (draw, { fills }, height) => {
  const sun = { cx: 25 + draw() * 70, cy: height * (0.2 + draw() * 0.15), r: 9 + draw() * 9 };
  return [
    <circle key="sun" {...sun} fill={fills[3]} />,
    ...upTo(3).map((i) => {
      const top = height * (0.42 + 0.17 * i);
      const [a, b] = [top - 26 * draw(), top + 22 * draw()];
      return (
        <path
          key={i}
          d={`M0 ${top} C30 ${a} 55 ${a} 70 ${top} S105 ${b} 120 ${top - 12 * draw()} V${height} H0z`}
          fill={fills[i]}
        />
      );
    }),
  ];
};

/** Tiles with a quarter of a disc in a corner each. */
const quarters: Pattern = (draw, { fills }, height) => {
  const size = 30;
  return upTo(Math.ceil(height / size) * 4).map((i) => {
    const [x, y] = [(i % 4) * size, Math.floor(i / 4) * size];
    const corner = Math.floor(draw() * 4);
    const fill = fills[Math.floor(draw() * fills.length)];
    const turned = `rotate(${corner * 90} ${x + size / 2} ${y + size / 2})`;
    return (
      <path
        key={i}
        d={`M${x} ${y} h${size} a${size} ${size} 0 0 1 ${-size} ${size}z`}
        transform={turned}
        fill={fill}
      />
    );
  });
};

/** Rings around a point that is hardly ever the middle. */
const rings: Pattern = (draw, { fills }, height) => {
  const [cx, cy] = [WIDTH * draw(), height * draw()];
  const widest = 70 + 30 * draw();
  return upTo(6).map((i) => (
    <circle key={i} cx={cx} cy={cy} r={(widest * (6 - i)) / 6} fill={fills[i % fills.length]} />
  ));
};

/** Arches, one within the other, side by side. */
const arches: Pattern = (draw, { fills, ground }, height) =>
  upTo(2).flatMap((side) => {
    const cx = 30 + side * 60;
    const foot = height * (0.62 + 0.38 * draw());
    return upTo(4).map((i) => {
      const r = 27 - i * 6.5;
      const fill = i === 3 ? ground : fills[(i + side) % fills.length];
      return (
        <path
          key={`${side} ${i}`}
          d={`M${cx - r} ${height} V${foot - 20} a${r} ${r} 0 0 1 ${2 * r} 0 V${height}z`}
          fill={fill}
        />
      );
    });
  });

/** Chips of stone. */
const terrazzo: Pattern = (draw, { fills }, height) =>
  upTo(22).map((i) => {
    const [x, y, size] = [WIDTH * draw(), height * draw(), 5 + 11 * draw()];
    const points = upTo(5).map((corner) => {
      const angle = (corner + 0.7 * draw()) * 1.2566;
      return `${(x + size * Math.cos(angle)).toFixed(1)},${(y + size * Math.sin(angle)).toFixed(1)}`;
    });
    return <polygon key={i} points={points.join(' ')} fill={fills[i % fills.length]} />;
  });

/** Leaves along a stem. */
const leaves: Pattern = (draw, { fills }, height) => {
  const lean = 20 * (draw() - 0.5);
  return [
    <path
      key="stem"
      d={`M60 ${height} Q${60 + lean} ${height / 2} 60 10`}
      stroke={fills[2]}
      stroke-width="2"
      fill="none"
    />,
    ...upTo(10).map((i) => {
      const y = height - 12 - ((height - 26) * i) / 10;
      const side = i % 2 === 0 ? 1 : -1;
      const reach = side * (22 + 22 * draw());
      return (
        <path
          key={i}
          d={`M60 ${y} q${reach * 0.3} ${-20} ${reach} ${-16} q${-reach * 0.2} ${18} ${-reach} 16z`}
          fill={fills[i % fills.length]}
        />
      );
    }),
  ];
};

/** Bands that wave together. */
const waves: Pattern = (draw, { fills }, height) => {
  const swing = 6 + 12 * draw();
  const phase = 40 * draw();
  return upTo(6).map((i) => {
    const y = (height * i) / 6 + 6;
    const period = `q15 ${-swing} 30 0 t30 0 `.repeat(4);
    return (
      <path key={i} d={`M${-phase - 20} ${y} ${period} V${height} H-60z`} fill={fills[i % fills.length]} />
    );
  });
};

const PATTERNS: readonly Pattern[] = [hills, quarters, rings, arches, terrazzo, leaves, waves];
