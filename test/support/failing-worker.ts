/** A worker that does not get as far as serving. */
throw new Error('this worker cannot start');
