/** What stands where pins would: that one has to wait, that there is nothing, or why not. */
import type { ComponentChildren } from 'preact';

interface NoticeProps {
  readonly title: string;
  /** Something went wrong: it is read out at once. */
  readonly isAlert?: boolean;
  readonly isBusy?: boolean;
  readonly children?: ComponentChildren;
}

export function Notice({ title, isAlert, isBusy, children }: NoticeProps) {
  return (
    <section
      class={`notice${isAlert ? ' alert' : ''}`}
      role={isAlert ? 'alert' : undefined}
      aria-busy={isBusy}
    >
      <h1 id="heading" tabIndex={-1}>
        {title}
      </h1>
      {children}
    </section>
  );
}
