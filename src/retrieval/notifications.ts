/** Notifications: for each of many persons the best pins that are fresh and that they have not seen; none rather than a bad one. */

import { isRecord } from '../index/shape.ts';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type {
  HomefeedAnswer,
  NotificationsAnswer,
  NotificationsRequest,
  NotifiedUser,
  PersonRequest,
  SurfaceRequest,
} from './contract.ts';
import { underExperiments } from './experiments/run.ts';
import type { Clock, OpenIndex } from './open-index.ts';
import { drawSeed, readPerson } from './person.ts';
import { checkList, checkWhole, type Plan, planRequest } from './plan.ts';
import { toProblem } from './problem.ts';
import { runSurface } from './surfaces/run-surface.ts';
import { type Surface, surfaceInForce } from './surfaces/surface.ts';

/** Least score where nobody says otherwise. Other metrics have no scale that is known here. */
const COSINE_MIN = 0.5;

/**
 * Answers for each user on their own: what one user's history says wrong is that user's problem. Experiments draw by the
 * user's name.
 * @throws NearpinError bad_request or limit_exceeded for what is common to all
 */
export async function runNotifications(
  index: OpenIndex,
  request: NotificationsRequest,
  clock: Clock,
): Promise<NotificationsAnswer> {
  const { users, seed, ...common } = request;
  const list = checkList(users, 'users', LIMITS.usersMax);
  // What is wrong for all is refused whole, also where there are no users
  const planned = planNotifications(index, common, clock);
  drawSeed(seed, undefined);
  const answers = await Promise.all(
    list.map(async (user, i): Promise<NotifiedUser> => {
      try {
        const unit = nameOf(user, `users[${i}].user`);
        const ask = { ...common, unit };
        const answer = await underExperiments(index, 'notifications', ask, (armed) =>
          notify(
            armed,
            user as PersonRequest & { max?: unknown },
            `users[${i}]`,
            // What no arm has changed is planned once for all
            {
              ...(armed === index ? planned : planNotifications(armed, ask, clock)),
              seed: drawSeed(seed, unit),
            },
            clock,
          ),
        );
        return { user: unit, ...answer };
      } catch (error) {
        if (!(error instanceof NearpinError) || error.code === 'closed') throw error;
        const name = isRecord(user) && typeof user.user === 'string' ? user.user : null;
        return { user: name, problem: toProblem(error) };
      }
    }),
  );
  return { users: answers };
}

function planNotifications(index: OpenIndex, request: SurfaceRequest, clock: Clock) {
  const surface = surfaceInForce('notifications', index, request);
  const plan = planRequest(index, request, clock, surface);
  const minScore = plan.query.minScore ?? (plan.config.metric === 'cosine' ? COSINE_MIN : undefined);
  return { surface, plan: { ...plan, query: { ...plan.query, minScore } } };
}

function nameOf(user: unknown, path: string): string {
  if (isRecord(user) && typeof user.user === 'string' && user.user !== '') return user.user;
  throw errorAt('bad_request', path, 'must name the user');
}

async function notify(
  index: OpenIndex,
  user: PersonRequest & { readonly max?: unknown },
  path: string,
  { surface, plan, seed }: { readonly surface: Surface; readonly plan: Plan; readonly seed: number },
  clock: Clock,
): Promise<HomefeedAnswer> {
  const k = checkWhole(user.max, `${path}.max`, 1, LIMITS.kMax, plan.query.k);
  const { input, isHidden, skipped } = await readPerson(index, user, path);
  const own = { ...plan, query: { ...plan.query, k } };
  const answer = await runSurface({ index, surface, plan: own, input, isHidden, seed }, clock);
  return { ...answer, skipped };
}
