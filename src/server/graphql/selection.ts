/** What an operation selects, through fragments, without what its directives leave out. */
import {
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLIncludeDirective,
  type GraphQLResolveInfo,
  GraphQLSkipDirective,
  getDirectiveValues,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';

/** Where selections are looked up. */
export type SelectionScope = Pick<GraphQLResolveInfo, 'fragments' | 'variableValues'>;

/** A selected field, with the type that the fragment around it is of. */
export interface Selected {
  readonly field: FieldNode;
  readonly on: string | undefined;
}

/** The fields that are selected directly below the fields given, in order; each fragment is looked into once. */
export function selectedBelow(nodes: readonly FieldNode[], scope: SelectionScope): Selected[] {
  const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
  return selectedIn(sets, scope);
}

/** The fields of selection sets that are one. */
export function selectedIn(sets: readonly SelectionSetNode[], scope: SelectionScope): Selected[] {
  const found: Selected[] = [];
  const seen = new Set<FragmentDefinitionNode>();
  const collect = ({ selections }: SelectionSetNode, on: string | undefined): void => {
    for (const selection of selections) {
      if (!isIncluded(selection, scope)) continue;
      if (selection.kind === Kind.FIELD) {
        found.push({ field: selection, on });
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        collect(selection.selectionSet, selection.typeCondition?.name.value ?? on);
      } else {
        const fragment = scope.fragments[selection.name.value];
        if (fragment === undefined || seen.has(fragment)) continue;
        seen.add(fragment);
        collect(fragment.selectionSet, fragment.typeCondition.name.value);
      }
    }
  };
  for (const set of sets) collect(set, undefined);
  return found;
}

/** Whether fields lie along a path of names below the field that is being resolved. */
export function selects(info: GraphQLResolveInfo, path: readonly string[]): boolean {
  let nodes = info.fieldNodes;
  for (const name of path)
    nodes = selectedBelow(nodes, info).flatMap(({ field }) => (field.name.value === name ? [field] : []));
  return nodes.length > 0;
}

function isIncluded(node: SelectionNode, { variableValues }: SelectionScope): boolean {
  if (node.directives === undefined || node.directives.length === 0) return true;
  const skip = getDirectiveValues(GraphQLSkipDirective, node, variableValues);
  const include = getDirectiveValues(GraphQLIncludeDirective, node, variableValues);
  return skip?.if !== true && include?.if !== false;
}
