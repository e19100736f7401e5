/** The mark: a pin, and how near the next ones are. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="16" cy="16" r="15" opacity=".18" />
      <circle cx="16" cy="16" r="10" opacity=".35" />
      <circle cx="16" cy="16" r="5" />
    </svg>
  );
}
