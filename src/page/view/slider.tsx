/** A slider that tells its value while it moves and asks for it when it rests. */
import { useEffect, useState } from 'preact/hooks';

interface SliderProps {
  readonly name: string;
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly step?: number;
  readonly value: number;
  /** A value in words. */
  readonly text: (value: number) => string;
  readonly onChange: (value: number) => void;
}

export function Slider({ name, label, min, max, step = 1, value, text, onChange }: SliderProps) {
  const [moving, setMoving] = useState(value);
  useEffect(() => setMoving(value), [value]);
  return (
    <div class="slider">
      <label for={name}>{label}</label>
      <span aria-hidden="true">{text(moving)}</span>
      <input
        id={name}
        type="range"
        min={min}
        max={max}
        step={step}
        value={moving}
        aria-valuetext={text(moving)}
        onInput={({ currentTarget }) => setMoving(currentTarget.valueAsNumber)}
        onChange={({ currentTarget }) => onChange(currentTarget.valueAsNumber)}
      />
    </div>
  );
}
