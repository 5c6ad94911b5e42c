using System.Text;
using Gateway.Api.Wire;

namespace Gateway.Worker;

/// <summary>Joins the pieces of one choice.</summary>
internal sealed class ReplyCollector
{
    private readonly StringBuilder _text = new();
    private readonly List<(ToolCallDelta Begin, StringBuilder Arguments)> _calls = [];
    private readonly List<ScoredToken> _tokens = [];

    /// <summary>Takes the next piece.</summary>
    public void Add(ReplyDelta delta)
    {
        _text.Append(delta.Text);
        _tokens.AddRange(delta.Tokens);
        foreach (var call in delta.Calls)
        {
            if (call.Name is not null)
            {
                _calls.Add((call, new StringBuilder()));
            }

            _calls[^1].Arguments.Append(call.Arguments);
        }
    }

    /// <summary>All of it.</summary>
    public ReplyDelta Whole() =>
        new(_text.ToString(), [.. _calls.Select(call => call.Begin with { Arguments = call.Arguments.ToString() })], _tokens);
}
