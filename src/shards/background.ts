/**
 * Threads that give way: on Linux a thread has a priority of its own (setpriority(2), "C library/kernel differences"), so
 * one of the least gets what the others of the machine leave, a sixtieth or so of a core that they all want.
 */
import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';

/** Gives the calling thread the least priority, where the system knows threads by a number of their own. */
export function giveWay(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), constants.priority.PRIORITY_LOW);
  } catch {
    // Elsewhere it is a thread like any other
  }
}
