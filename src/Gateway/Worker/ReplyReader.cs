using System.Runtime.CompilerServices;
using System.Text;
using Gateway.Engine;
using Gateway.Model.Text;

namespace Gateway.Worker;

/// <summary>A piece of a reply: text that is ready to be sent, and in the last piece how the reply ended.</summary>
/// <param name="Text">May be empty.</param>
/// <param name="Finish">Set in the last piece only.</param>
/// <param name="SampledTokens">Tokens that made the reply so far, an end token included.</param>
/// <param name="Error">Why the engine failed.</param>
/// <param name="CachedPromptTokens">Prompt tokens that were found in the prefix cache.</param>
internal readonly record struct ReplyPiece(string Text, FinishReason? Finish, int SampledTokens, string? Error, int CachedPromptTokens = 0);

/// <summary>
/// Turns the tokens of a stream into text: characters come whole, stop strings cut. Tokens are looked at one by one, so text and
/// usage do not depend on how many were ready at a time.
/// </summary>
internal sealed class ReplyReader(GenerationStream stream, StreamingDecoder decoder, IReadOnlyList<string> stops)
{
    private readonly StopScanner _scanner = new(stops);

    /// <summary>The pieces of the reply; the last one has a finish. Cancels the sequence when the reader stops early.</summary>
    public async IAsyncEnumerable<ReplyPiece> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        try
        {
            var text = new StringBuilder();
            while (await stream.WaitToReadAsync(cancellation))
            {
                text.Clear();
                var sampled = 0;
                while (stream.TryRead(out var item))
                {
                    sampled = item.SampledTokens;
                    if (item.Finish is { } finish)
                    {
                        text.Append(_scanner.Append(decoder.Flush()));
                        if (!_scanner.Stopped)
                        {
                            text.Append(_scanner.Flush());
                        }

                        yield return new ReplyPiece(text.ToString(), _scanner.Stopped ? FinishReason.Stop : finish, sampled, item.Error, item.CachedPromptTokens);
                        yield break;
                    }

                    text.Append(_scanner.Append(decoder.Push(item.Token)));
                    if (_scanner.Stopped)
                    {
                        stream.Complete();
                        yield return new ReplyPiece(text.ToString(), FinishReason.Stop, sampled, null, stream.CachedPromptTokens);
                        yield break;
                    }
                }

                if (text.Length > 0)
                {
                    yield return new ReplyPiece(text.ToString(), null, sampled, null);
                }
            }
        }
        finally
        {
            stream.Cancel();
        }
    }
}
