/** A heart: saves a pin in this browser, for the home feed. */

interface SaveButtonProps {
  readonly id: string;
  readonly title: string;
  readonly isSaved: boolean;
  readonly onSave: (id: string) => void;
}

export function SaveButton({ id, title, isSaved, onSave }: SaveButtonProps) {
  return (
    <button
      type="button"
      class="save"
      aria-pressed={isSaved}
      aria-label={`Save ${title}`}
      onClick={() => onSave(id)}
    >
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d="M12 20.5 4.3 12.9a5 5 0 0 1 7.1-7.1l.6.6.6-.6a5 5 0 0 1 7.1 7.1z" />
      </svg>
    </button>
  );
}
