/** What an answer took and what it is worth: time, by stages where the server tells them, coverage, and recall. */
import type { IndexDescription } from '../../client/client.ts';
import type { Call } from '../state/api.ts';
import type { Found } from '../state/find.ts';
import { milliseconds, whole } from '../state/format.ts';
import { Recall } from './recall.tsx';
import { Stages } from './stages.tsx';

interface AnswerFactsProps {
  readonly found: Found;
  readonly index: IndexDescription;
  readonly call: Call;
}

export function AnswerFacts({ found, index, call }: AnswerFactsProps) {
  const { ask, roundTripMs, stages, value } = found;
  const { coverage, ef, tookMs, experiments = [] } = value;
  const isWhole = coverage.answered === coverage.shards;
  return (
    <div class="facts">
      <dl>
        <div>
          <dt>Round trip</dt>
          <dd>{milliseconds(roundTripMs)}</dd>
        </div>
        <div>
          <dt>Server</dt>
          <dd>{milliseconds(tookMs)}</dd>
        </div>
        <div class={isWhole ? undefined : 'bad'}>
          <dt>Coverage</dt>
          <dd>
            {coverage.answered} of {coverage.shards} {coverage.shards === 1 ? 'shard' : 'shards'}
            {coverage.degraded && `, ${coverage.degraded.replace('_', ' ')}`}
          </dd>
        </div>
        {ask.isApproximate && (
          <>
            <div>
              <dt>Recall</dt>
              <dd>
                <Recall found={found} index={index} call={call} />
              </dd>
            </div>
            <div>
              <dt>ef</dt>
              <dd>{ef === 0 ? 'none: an exact scan' : whole(ef)}</dd>
            </div>
          </>
        )}
        {experiments.length > 0 && (
          <div>
            <dt>Experiments</dt>
            <dd>{experiments.map(({ experiment, arm }) => `${experiment}: ${arm}`).join(', ')}</dd>
          </div>
        )}
      </dl>
      {stages.length > 0 && <Stages stages={stages} />}
      <details>
        <summary>What these numbers are</summary>
        <p>
          Round trip is from sending the request to having read its answer in this browser; server is the time
          within, as the answer tells it, and the stages are parts of that, some of them side by side.
          Coverage says how many shards searched to the end. Recall is measured for this very request: it is
          asked a second time as an exact scan of every matching pin, and counted how many of the pins of that
          answer are in this one.
        </p>
      </details>
    </div>
  );
}
