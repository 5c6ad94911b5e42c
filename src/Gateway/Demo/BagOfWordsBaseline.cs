namespace Gateway.Demo;

/// <summary>
/// Multinomial naive Bayes over lower-cased words with add-one smoothing: what the same corrections give without a language
/// model. Reported beside the adapter's accuracy.
/// </summary>
public sealed class BagOfWordsBaseline
{
    private readonly Dictionary<string, Dictionary<string, int>> _counts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _rows = new(StringComparer.Ordinal);
    private readonly HashSet<string> _vocabulary = new(StringComparer.Ordinal);
    private int _total;

    /// <summary>A classifier fitted to <paramref name="rows"/>.</summary>
    public BagOfWordsBaseline(IEnumerable<LabelledMessage> rows)
    {
        foreach (var row in rows)
        {
            var counts = _counts.TryGetValue(row.Label, out var existing) ? existing : _counts[row.Label] = new(StringComparer.Ordinal);
            _rows[row.Label] = _rows.GetValueOrDefault(row.Label) + 1;
            _total++;
            foreach (var word in Words(row.Text))
            {
                _vocabulary.Add(word);
                counts[word] = counts.GetValueOrDefault(word) + 1;
            }
        }
    }

    /// <summary>The most likely label; ties go to the ordinally first.</summary>
    public string Predict(string text)
    {
        var words = Words(text).Where(_vocabulary.Contains).ToList();
        return _counts.OrderBy(entry => entry.Key, StringComparer.Ordinal).MaxBy(entry =>
        {
            var mass = entry.Value.Values.Sum() + _vocabulary.Count;
            return Math.Log((double)_rows[entry.Key] / _total)
                + words.Sum(word => Math.Log((entry.Value.GetValueOrDefault(word) + 1.0) / mass));
        }).Key;
    }

    private static IEnumerable<string> Words(string text) =>
        text.ToLowerInvariant().Split([.. " \t\r\n.,;:!?'\"()[]{}<>/\\-_#*&%$+=|~`@"], StringSplitOptions.RemoveEmptyEntries);
}
