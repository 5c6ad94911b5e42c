namespace Gateway.Engine.Grammars;

/// <summary>
/// One rule of a grammar. Rules refer to each other by index, so that schemas may be recursive. Every rule matches some text, patterns
/// and openings also the empty one. Immutable once the grammar is built.
/// </summary>
internal abstract class Rule
{
    /// <summary>What a rule matches is over.</summary>
    public const int End = -1;

    /// <summary>Objects and arrays that the shallowest value of the rule opens inside each other.</summary>
    public int MinimumDepth { get; set; }
}

/// <summary>A string, number, literal or free text: an automaton over bytes with a bound on the characters charged.</summary>
internal sealed class TerminalRule(ByteDfa dfa, int minimum = 0, int maximum = int.MaxValue, bool isKey = false) : Rule
{
    public ByteDfa Dfa => dfa;

    /// <summary>Characters needed before the terminal can end.</summary>
    public int Minimum => minimum;

    /// <summary>Characters it may hold; <see cref="int.MaxValue"/> for any number.</summary>
    public int Maximum => maximum;

    /// <summary>An object's additional key: may not repeat one of the object.</summary>
    public bool IsKey => isKey;

    /// <summary>The character count behind a transition, or −1 when the transition is over the limit.</summary>
    public int Count(int count, int transition)
    {
        var charged = count + ByteDfa.Charge(transition);
        return maximum == int.MaxValue ? Math.Min(charged, minimum) : charged <= maximum ? charged : -1;
    }
}

/// <summary>One token, whatever text it stands for.</summary>
internal sealed class TokenRule(int token) : Rule
{
    public int Token => token;
}

/// <summary>Any of several rules.</summary>
internal sealed class ChoiceRule(int[] alternatives) : Rule
{
    public int[] Alternatives => alternatives;
}

/// <summary>One rule behind the other.</summary>
internal sealed class SequenceRule(int[] parts) : Rule
{
    public int[] Parts => parts;
}

/// <summary>An array: rules of its first items, the rule of the others or −1, and the bounds of its length.</summary>
internal sealed class ArrayRule(int[] prefix, int items, int minimum, int maximum) : Rule
{
    // The states of an array; the number of items is a counter beside them.
    public const int Start = 0;
    public const int Opened = 1;
    public const int Separated = 2;
    public const int Spaced = 3;
    public const int Behind = 4;

    public int Minimum => minimum;

    public int Maximum => maximum;

    /// <summary>The rule of the item at an index; counts that make no difference are one.</summary>
    public int Item(int index) => index < prefix.Length ? prefix[index] : items;

    /// <summary>The count behind one more item.</summary>
    public int Count(int count) => Math.Min(count + 1, maximum == int.MaxValue ? Math.Max(minimum, prefix.Length) : maximum);
}
