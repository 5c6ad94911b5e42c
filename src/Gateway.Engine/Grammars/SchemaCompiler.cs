using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gateway.Engine.Grammars;

/// <summary>
/// Compiles a schema to rules. A value obeys a set of schemas at once; each such set becomes one rule: 1. references and allOf
/// join the set, anyOf and oneOf multiply it into alternatives; 2. each alternative is merged, type by type; 3. what no value
/// fits is left out. Sets are remembered, so recursive schemas come to an end.
/// </summary>
internal sealed class SchemaCompiler
{
    private readonly CompileBudget _budget;
    private readonly StringCompiler _strings;
    private readonly List<RuleDraft> _drafts = [];
    private readonly Dictionary<string, int> _values = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _containers = new(StringComparer.Ordinal);
    private readonly Dictionary<(ByteDfa, int, int), int> _terminals = [];
    private readonly Queue<(RuleDraft.Choice Draft, SchemaNode[] Schemas)> _open = new();
    private readonly HashSet<SchemaNode> _exclusive = [];
    private readonly Dictionary<GrammarPart, int> _parts = [];
    private readonly int _key;
    private int _nextId;

    private SchemaCompiler(CompileBudget budget, bool withFormats)
    {
        _budget = budget;
        _strings = new StringCompiler(budget, withFormats);
        _key = Add(new RuleDraft.Terminal(new TerminalRule(JsonTerminals.Key, isKey: true)));
    }

    /// <exception cref="GrammarException">A construct cannot be enforced, the whole is too large, or no text fits.</exception>
    public static Grammar Compile(GrammarPart root, CompileBudget budget)
    {
        var compiler = new SchemaCompiler(budget, withFormats: true);
        var start = compiler.Part(root);
        var depths = compiler.Depths();
        RefuseOverlaps(compiler._exclusive, budget);
        if (depths[start] == RuleDraft.Impossible)
        {
            throw new GrammarException("", "fits no value: remove a contradiction");
        }

        return new Grammar(compiler.Build(depths), start);
    }

    /// <summary>The rule of the values that obey all of some schemas.</summary>
    private int Value(IEnumerable<SchemaNode> schemas)
    {
        var set = schemas.DistinctBy(schema => schema.Id).ToArray();
        var key = Key(set);
        if (!_values.TryGetValue(key, out var index))
        {
            var draft = new RuleDraft.Choice();
            _values.Add(key, index = Add(draft));
            _open.Enqueue((draft, set));
        }

        return index;
    }

    private static string Key(IEnumerable<SchemaNode> set) =>
        string.Join(',', set.Select(schema => schema.Id).Order().Select(id => id.ToString(CultureInfo.InvariantCulture)));

    /// <summary>The rule of a part; equal parts have one rule, so that the masks of their texts are computed once.</summary>
    private int Part(GrammarPart part)
    {
        if (!_parts.TryGetValue(part, out var index))
        {
            _parts.Add(part, index = part switch
            {
                GrammarPart.Literal literal => AddText(JsonTerminals.Words([Encoding.UTF8.GetBytes(literal.Text)], _budget)!),
                GrammarPart.Texts texts => AddText(Texts(texts.Choices)),
                GrammarPart.Pattern pattern => AddText(PatternText(pattern.Expression)),
                GrammarPart.Token token => Add(new RuleDraft.Token(token.Id)),
                GrammarPart.Schema schema => Value([SchemaReader.Read(Sized(schema.Json, schema.Pointer), _budget, ref _nextId, schema.Pointer)]),
                GrammarPart.Openings openings => Add(new RuleDraft.Openings(openings, [.. openings.Parts.Select(opening => (opening.Mark, Part(opening.Part)))])),
                GrammarPart.Sequence sequence => Add(new RuleDraft.Sequence([.. sequence.Parts.Select(Part)])),
                GrammarPart.Choice choice => AddChoice(choice.Alternatives.Select(Part)),
                _ => throw new ArgumentOutOfRangeException(nameof(part)),
            });
        }

        return index;
    }

    private int AddText(ByteDfa text) => Add(new RuleDraft.Terminal(new TerminalRule(text)));

    private ByteDfa Texts(IReadOnlyList<string> choices)
    {
        var words = choices.Select((choice, index) =>
            choice.Length == 0 ? throw new GrammarException($"/{index}", "is empty: a choice needs at least one character")
            : TryEncode(choice) ?? throw new GrammarException($"/{index}", "is not valid Unicode: remove the unpaired surrogate"));
        return JsonTerminals.Words(words, _budget) ?? throw new GrammarException("", "holds no choices: give at least one");
    }

    private ByteDfa PatternText(string pattern) => CharacterBytes.Raw(PatternAutomaton.FromWhole(Sized(pattern, ""), _budget), _budget)
        ?? throw new GrammarException("", "matches no text at all: correct the pattern");

    private static string Sized(string source, string pointer) => source.Length <= Grammar.MaximumLength
        ? source
        : throw new GrammarException(pointer, $"is longer than {Grammar.MaximumLength} characters: shorten it");

    private static byte[]? TryEncode(string text)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetBytes(text);
        }
        catch (EncoderFallbackException)
        {
            return null;
        }
    }

    private int AddChoice(IEnumerable<int> alternatives)
    {
        var draft = new RuleDraft.Choice();
        draft.Alternatives.UnionWith(alternatives);
        return Add(draft);
    }

    private int Add(RuleDraft draft)
    {
        _budget.Spend(1);
        _drafts.Add(draft);
        return _drafts.Count - 1;
    }

    private void Fill(RuleDraft.Choice draft, SchemaNode[] schemas)
    {
        _budget.Pointer = schemas.Length > 0 ? schemas[0].Pointer : "";
        List<SchemaNode[]> groups = [.. schemas.Select(schema => new[] { schema })];
        Expand(groups, 0, [], alternative => AddTypes(draft, alternative));
    }

    /// <summary>Calls <paramref name="emit"/> for every way to choose one schema of each group, with all that these bring along.</summary>
    private void Expand(List<SchemaNode[]> groups, int at, List<SchemaNode> chosen, Action<SchemaNode[]> emit)
    {
        if (at == groups.Count)
        {
            emit([.. chosen]);
            return;
        }

        foreach (var schema in groups[at])
        {
            _budget.Spend(1);
            if (chosen.Contains(schema))
            {
                Expand(groups, at + 1, chosen, emit);
                continue;
            }

            if (schema.Never)
            {
                continue;
            }

            var known = groups.Count;
            chosen.Add(schema);
            groups.AddRange(schema.AllOf.Select(part => new[] { part }));
            if (schema.Reference is not null)
            {
                groups.Add([schema.Reference]);
            }

            if (schema.AnyOf.Count > 0)
            {
                groups.Add([.. schema.AnyOf]);
            }

            if (schema.OneOf.Count > 0)
            {
                _exclusive.Add(schema);
                groups.Add([.. schema.OneOf]);
            }

            Expand(groups, at + 1, chosen, emit);
            groups.RemoveRange(known, groups.Count - known);
            chosen.RemoveAt(chosen.Count - 1);
        }
    }

    /// <summary>
    /// oneOf is enforced as anyOf, which is the same when no value fits two alternatives. A validator takes formats as
    /// annotations, so alternatives that differ in their formats alone overlap.
    /// </summary>
    private static void RefuseOverlaps(IEnumerable<SchemaNode> exclusive, CompileBudget budget)
    {
        var compiler = new SchemaCompiler(budget, withFormats: false);
        var pairs = new List<(int Value, string Pointer, int Left, int Right)>();
        foreach (var schema in exclusive)
        {
            for (var right = 1; right < schema.OneOf.Count; right++)
            {
                for (var left = 0; left < right; left++)
                {
                    pairs.Add((compiler.Value([schema.OneOf[left], schema.OneOf[right]]), schema.Pointer + "/oneOf", left, right));
                }
            }
        }

        var depths = compiler.Depths();
        foreach (var (value, pointer, left, right) in pairs)
        {
            if (depths[value] != RuleDraft.Impossible)
            {
                throw new GrammarException(pointer,
                    $"has alternatives {left} and {right} that one value may both fit: use anyOf, or tell them apart by type or by a required const property");
            }
        }
    }

    private void AddTypes(RuleDraft.Choice draft, SchemaNode[] schemas)
    {
        var types = schemas.Aggregate(SchemaTypes.All, (all, schema) => all & schema.Types);
        var bounds = schemas.Aggregate(NumberBounds.None, (all, schema) => all.And(schema.Bounds));
        IReadOnlyList<JsonElement>? values = null;
        foreach (var schema in schemas)
        {
            values = values is null ? schema.Values : schema.Values is null ? values : SchemaReader.Common(values, schema.Values);
        }

        if (values is not null)
        {
            var fitting = values.Where(value => FixedValue.Fits(value, types, bounds, schemas, _strings)).ToArray();
            AddTerminal(draft, JsonTerminals.Words(fitting.Select(JsonSpelling.Bytes), _budget));
            return;
        }

        if (types.HasFlag(SchemaTypes.Null))
        {
            AddTerminal(draft, JsonTerminals.Null);
        }

        if (types.HasFlag(SchemaTypes.Boolean))
        {
            AddTerminal(draft, JsonTerminals.Boolean);
        }

        if (types.HasFlag(SchemaTypes.Integer))
        {
            var isWhole = !types.HasFlag(SchemaTypes.Fraction);
            AddTerminal(draft, bounds != NumberBounds.None ? BoundedNumber.Compile(bounds, isWhole, _budget)
                : isWhole ? JsonTerminals.Integer : JsonTerminals.Number);
        }

        if (types.HasFlag(SchemaTypes.String) && _strings.Compile(schemas) is { } text)
        {
            AddTerminal(draft, text.Dfa, text.Minimum, text.Maximum);
        }

        if (types.HasFlag(SchemaTypes.Array))
        {
            AddContainer(draft, "[", schemas, ArrayOf);
        }

        if (types.HasFlag(SchemaTypes.Object))
        {
            AddContainer(draft, "{", schemas, ObjectOf);
        }
    }

    private void AddTerminal(RuleDraft.Choice draft, ByteDfa? dfa, int minimum = 0, int maximum = int.MaxValue)
    {
        if (dfa is null)
        {
            return;
        }

        if (!_terminals.TryGetValue((dfa, minimum, maximum), out var index))
        {
            _terminals.Add((dfa, minimum, maximum), index = Add(new RuleDraft.Terminal(new TerminalRule(dfa, minimum, maximum))));
        }

        draft.Alternatives.Add(index);
    }

    private void AddContainer(RuleDraft.Choice draft, string kind, SchemaNode[] schemas, Func<SchemaNode[], RuleDraft?> create)
    {
        // What says nothing about containers makes no difference to them.
        var key = kind + Key(schemas.Where(Constrains));
        if (!_containers.TryGetValue(key, out var index))
        {
            _containers.Add(key, index = create(schemas) is { } container ? Add(container) : -1);
        }

        if (index >= 0)
        {
            draft.Alternatives.Add(index);
        }
    }

    /// <summary>Whether a schema says something about arrays or objects.</summary>
    internal static bool Constrains(SchemaNode schema) =>
        schema.Properties.Count > 0 || schema.Required.Length > 0 || schema.AdditionalProperties is not null
        || schema.Items is not null || schema.PrefixItems.Count > 0 || schema.MinItems > 0 || schema.MaxItems < int.MaxValue;

    private RuleDraft.Array? ArrayOf(SchemaNode[] schemas)
    {
        var minimum = schemas.Select(schema => schema.MinItems).DefaultIfEmpty(0).Max();
        var maximum = schemas.Select(schema => schema.MaxItems).DefaultIfEmpty(int.MaxValue).Min();
        var prefix = schemas.Select(schema => schema.PrefixItems.Count).DefaultIfEmpty(0).Max();
        return minimum > maximum ? null : new RuleDraft.Array(
            [.. Enumerable.Range(0, prefix).Select(index => Value(schemas
                .Select(schema => index < schema.PrefixItems.Count ? schema.PrefixItems[index] : schema.Items).OfType<SchemaNode>()))],
            Value(schemas.Select(schema => schema.Items).OfType<SchemaNode>()),
            minimum,
            maximum);
    }

    private RuleDraft.Object ObjectOf(SchemaNode[] schemas)
    {
        string[] declared = [.. schemas.SelectMany(schema => schema.Properties.Select(property => property.Name)).Distinct(StringComparer.Ordinal)];
        var required = schemas.SelectMany(schema => schema.Required).ToHashSet(StringComparer.Ordinal);
        string[] names = [.. declared, .. required.Except(declared, StringComparer.Ordinal)];
        return new RuleDraft.Object(
            [.. names.Select(name => new ObjectMember(name, Value(schemas.Select(schema => Member(schema, name)).OfType<SchemaNode>()), required.Contains(name)))],
            Value(schemas.Select(schema => schema.AdditionalProperties).OfType<SchemaNode>()),
            _key,
            names);

        static SchemaNode? Member(SchemaNode schema, string name) =>
            schema.Properties.Find(property => property.Name == name).Schema ?? schema.AdditionalProperties;
    }

    /// <summary>Fills the drafts that are open, then finds least depths by iteration to the fixed point; a draft that stays impossible fits no value.</summary>
    private int[] Depths()
    {
        while (_open.TryDequeue(out var next))
        {
            Fill(next.Draft, next.Schemas);
        }

        var depths = new int[_drafts.Count];
        Array.Fill(depths, RuleDraft.Impossible);
        for (var changed = true; changed;)
        {
            changed = false;
            for (var i = depths.Length - 1; i >= 0; i--)
            {
                var depth = _drafts[i].Depth(depths);
                changed |= depth != depths[i];
                depths[i] = depth;
            }
        }

        return depths;
    }

    private Rule[] Build(int[] depths)
    {
        var rules = new Rule[_drafts.Count];
        for (var i = 0; i < rules.Length; i++)
        {
            // Nothing refers to an impossible rule any more.
            rules[i] = depths[i] == RuleDraft.Impossible ? new ChoiceRule([]) : _drafts[i].Build(depths, _budget);
            rules[i].MinimumDepth = depths[i];
        }

        return rules;
    }
}
