namespace Gateway.Engine.Grammars;

/// <summary>A rule before it is known which rules some value fits; parts are indices of other drafts.</summary>
internal abstract record RuleDraft
{
    /// <summary>What no value fits, or only one nested too deep.</summary>
    public const int Impossible = int.MaxValue;

    /// <summary>The depth of the shallowest value, given those of the parts; <see cref="Impossible"/> when there is none.</summary>
    public abstract int Depth(int[] depths);

    /// <summary>The rule, without what no value fits.</summary>
    public abstract Rule Build(int[] depths, CompileBudget budget);

    private static int Inside(int depth) => depth < GrammarStates.MaximumNesting ? depth + 1 : Impossible;

    /// <summary>A terminal.</summary>
    public sealed record Terminal(TerminalRule Rule) : RuleDraft
    {
        public override int Depth(int[] depths) => 0;

        public override Rule Build(int[] depths, CompileBudget budget) => Rule;
    }

    /// <summary>A token.</summary>
    public sealed record Token(int Id) : RuleDraft
    {
        public override int Depth(int[] depths) => 0;

        public override Rule Build(int[] depths, CompileBudget budget) => new TokenRule(Id);
    }

    /// <summary>Parts behind their openings, which are texts or tokens.</summary>
    public sealed record Openings(GrammarPart.Openings Form, (GrammarPart Mark, int Part)[] Parts) : RuleDraft
    {
        public override int Depth(int[] depths) => Parts.Max(part => depths[part.Part]);

        public override Rule Build(int[] depths, CompileBudget budget) => new OpeningsRule(Form, Parts, budget);
    }

    /// <summary>Any of several; filled in later, so that alternatives may refer to it.</summary>
    public sealed record Choice : RuleDraft
    {
        public SortedSet<int> Alternatives { get; } = [];

        public override int Depth(int[] depths) => Alternatives.Count == 0 ? Impossible : Alternatives.Min(part => depths[part]);

        public override Rule Build(int[] depths, CompileBudget budget) =>
            new ChoiceRule([.. Alternatives.Where(part => depths[part] != Impossible)]);
    }

    /// <summary>One behind the other.</summary>
    public sealed record Sequence(int[] Parts) : RuleDraft
    {
        public override int Depth(int[] depths) => Parts.Max(part => depths[part]);

        public override Rule Build(int[] depths, CompileBudget budget) => new SequenceRule(Parts);
    }

    /// <summary>An array.</summary>
    public sealed record Array(int[] Prefix, int Items, int Minimum, int Maximum) : RuleDraft
    {
        public override int Depth(int[] depths)
        {
            var deepest = Minimum > Prefix.Length ? depths[Items] : 0;
            foreach (var item in Prefix.Take(Minimum))
            {
                deepest = Math.Max(deepest, depths[item]);
            }

            return Inside(deepest);
        }

        public override Rule Build(int[] depths, CompileBudget budget)
        {
            // The first item that no value fits ends the array.
            var possible = System.Array.FindIndex(Prefix, item => depths[item] == Impossible);
            var maximum = possible >= 0 ? possible : depths[Items] == Impossible ? Prefix.Length : int.MaxValue;
            return new ArrayRule(Prefix, Items, Minimum, Math.Min(Maximum, maximum));
        }
    }

    /// <summary>An object; <paramref name="Names"/> are all declared names.</summary>
    public sealed record Object(ObjectMember[] Members, int Additional, int Key, string[] Names) : RuleDraft
    {
        public override int Depth(int[] depths)
        {
            var deepest = 0;
            foreach (var member in Members)
            {
                deepest = member.Required ? Math.Max(deepest, depths[member.Rule]) : deepest;
            }

            return Inside(deepest);
        }

        public override Rule Build(int[] depths, CompileBudget budget) => new ObjectRule(
            [.. Members.Where(member => depths[member.Rule] != Impossible)],
            depths[Additional] == Impossible ? -1 : Additional,
            Key,
            Names,
            depths,
            budget);
    }
}
