/** The width of a search, by steps that each double it about; the first leaves it to the index. */
import { EF_MAX } from '../state/address.ts';
import { Slider } from './slider.tsx';

interface EfSliderProps {
  readonly value: number | undefined;
  readonly defaultEf: number;
  readonly onChange: (ef: number | undefined) => void;
}

const STEPS = [undefined, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, EF_MAX];

export function EfSlider({ value, defaultEf, onChange }: EfSliderProps) {
  const textOf = (step: number) => {
    const ef = STEPS[step];
    return ef === undefined ? `${defaultEf} by default` : String(ef);
  };
  return (
    <Slider
      name="ef"
      label="Search width (ef)"
      min={0}
      max={STEPS.length - 1}
      value={nearestStep(value)}
      text={textOf}
      onChange={(step) => onChange(STEPS[step])}
    />
  );
}

/** An address may name any width: the slider stands at the last step that is not above it. */
function nearestStep(ef: number | undefined): number {
  return ef === undefined
    ? 0
    : Math.max(
        1,
        STEPS.findLastIndex((step) => step !== undefined && step <= ef),
      );
}
