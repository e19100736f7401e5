/**
 * Preloaded into a process by `node --import`, and so into each of its threads: kills the process the n-th time that a
 * thread comes to the failpoint that NEARPIN_TEST_FAILPOINT names, as in `log.after-commit:3`.
 */
import { onFailpoint } from '../../src/lib/failpoints.ts';

const [name, nth] = (process.env.NEARPIN_TEST_FAILPOINT ?? ':').split(':');
let left = Number(nth);
if (name) {
  onFailpoint((reached) => {
    if (reached === name && --left === 0) process.kill(process.pid, 'SIGKILL');
  });
}
