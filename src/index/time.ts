/**
 * Moments in time, as attributes and filters hold them: whole milliseconds since 1970-01-01 UTC. Text is read as
 * ISO 8601 by rules of our own, because Date.parse takes a text without a zone for local time, so that the same
 * input would give another index on another machine, and lets the 30th of February pass.
 */
import { finiteNumber } from './shape.ts';

const ISO_8601 =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d{2}):?(\d{2}))?)?$/;

/** Milliseconds of a day. */
export const DAY_MS = 86_400_000;

/** The farthest moment that a JavaScript Date holds, in ms either side of 1970. */
const FARTHEST_MS = 8.64e15;

/**
 * Epoch ms of a whole number of ms or of an ISO 8601 date or date and time (`2026-03-01`,
 * `2026-03-01T12:30:05.250+01:00`; UTC when it names no zone, cut to whole ms); undefined for anything else.
 */
export function parseTime(value: unknown): number | undefined {
  if (typeof value !== 'string') {
    const ms = finiteNumber(value);
    return ms !== undefined && Number.isInteger(ms) && Math.abs(ms) <= FARTHEST_MS ? ms : undefined;
  }
  const parts = ISO_8601.exec(value);
  if (parts === null) return undefined;
  const part = (index: number): number => Number(parts[index] ?? 0);
  const year = part(1);
  const month = part(2);
  const day = part(3);
  const hour = part(4);
  const minute = part(5);
  const second = part(6);
  const ms = Math.floor(Number(`0.${parts[7] ?? 0}`) * 1000);
  const zoneHour = part(10);
  const zoneMinute = part(11);
  if (hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) return undefined;

  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // A month or a day out of range has moved on to another month.
  if (date.getUTCMonth() !== month - 1) return undefined;
  const zoneMs = (zoneHour * 60 + zoneMinute) * 60_000 * (parts[9] === '-' ? -1 : 1);
  return date.setUTCHours(hour, minute, second, ms) - zoneMs;
}
