using System.Text;

namespace Gateway.Engine.Grammars;

/// <summary>
/// Any number of parts behind their openings. The state says how much of an opening is written; the counter counts parts where
/// their number is bounded.
/// </summary>
internal sealed class OpeningsRule : Rule
{
    /// <summary>The state of text in which no opening counts any more.</summary>
    public const int Plain = -2;

    private readonly GrammarPart.Openings _form;
    private readonly Dictionary<int, int> _partAt = [];
    private readonly Dictionary<int, int> _partOfToken = [];

    /// <param name="form">What is between the parts.</param>
    /// <param name="parts">Marks with the rules that follow them.</param>
    /// <param name="budget">Pays for states.</param>
    public OpeningsRule(GrammarPart.Openings form, IEnumerable<(GrammarPart Mark, int Part)> parts, CompileBudget budget)
    {
        _form = form;
        var texts = new List<(byte[] Text, int Part)>();
        foreach (var (mark, part) in parts)
        {
            switch (mark)
            {
                case GrammarPart.Token token:
                    _partOfToken.Add(token.Id, part);
                    break;
                case GrammarPart.Literal literal:
                    texts.Add((Encoding.UTF8.GetBytes(literal.Text), part));
                    break;
                default:
                    throw new ArgumentOutOfRangeException(nameof(parts), mark, "only a literal or a token opens a part.");
            }
        }

        if (texts.Count == 0)
        {
            return;
        }

        Texts = Automaton([.. texts.Select(text => Encoding.Latin1.GetString(text.Text))], form.Lead, budget);
        foreach (var (text, part) in texts)
        {
            _partAt.Add(text.Aggregate(0, (state, value) => ByteDfa.Target(Texts.Next(state, value))), part);
        }
    }

    /// <summary>Accepts where an opening is whole; null when only tokens open parts.</summary>
    public ByteDfa? Texts { get; }

    /// <summary>Whether text may come that opens nothing.</summary>
    public bool IsText => _form.IsText;

    /// <summary>The tokens that open a part, where they do.</summary>
    public Dictionary<int, int>.KeyCollection Tokens => _partOfToken.Keys;

    /// <summary>The state behind a byte, or <see cref="ByteDfa.Dead"/>.</summary>
    public int Next(int state, byte value) =>
        state == Plain ? Plain
        : Texts is not null && Texts.Next(state, value) is var next and not ByteDfa.Dead ? ByteDfa.Target(next)
        : _form.Lead is not { } lead || (state == 0 && lead.Contains((char)value, StringComparison.Ordinal)) ? 0
        : IsText ? Plain : ByteDfa.Dead;

    /// <summary>The part that begins where the text has come to a state, or −1.</summary>
    public int PartAt(int state) => _partAt.GetValueOrDefault(state, -1);

    /// <summary>Whether tokens open parts in a state.</summary>
    public bool TakesTokens(int state) => _partOfToken.Count > 0 && (state == 0 || (_form.Lead is null && state != Plain));

    /// <summary>The part that a token opens in a state, or −1.</summary>
    public int PartOf(int state, int token) => TakesTokens(state) ? _partOfToken.GetValueOrDefault(token, -1) : -1;

    /// <summary>The number of parts behind one more, or −1 when there may be no further ones.</summary>
    public int Count(int count) => _form.Most == int.MaxValue ? 0 : count + 1 < _form.Most ? count + 1 : -1;

    /// <summary>
    /// One state for each beginning of an opening (Aho and Corasick 1975): a byte leads to the longest beginning that the text
    /// then ends with. With a lead the text must have begun with it.
    /// </summary>
    /// <param name="openings">The openings, one character for each byte.</param>
    /// <param name="lead">As in <see cref="GrammarPart.Openings"/>.</param>
    /// <param name="budget">Pays for states.</param>
    private static ByteDfa Automaton(string[] openings, string? lead, CompileBudget budget)
    {
        var builder = new ByteDfaBuilder(budget);
        var states = new Dictionary<string, int>(StringComparer.Ordinal) { [""] = builder.Add() };
        foreach (var opening in openings)
        {
            for (var length = 1; length <= opening.Length; length++)
            {
                if (!states.ContainsKey(opening[..length]))
                {
                    states.Add(opening[..length], builder.Add(accepts: length == opening.Length));
                }
            }
        }

        if (lead is not null)
        {
            builder.Set(0, lead, 0);
        }

        foreach (var (beginning, state) in states.Where(entry => !openings.Contains(entry.Key)))
        {
            for (var value = 0; value < 256; value++)
            {
                var text = beginning + (char)value;
                while (lead is null && !states.ContainsKey(text))
                {
                    text = text[1..];
                }

                if (states.TryGetValue(text, out var next))
                {
                    builder.Set(state, value, value, next);
                }
            }
        }

        return builder.Build()!;
    }
}
