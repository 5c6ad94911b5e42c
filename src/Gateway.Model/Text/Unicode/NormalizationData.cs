using System.Reflection;

namespace Gateway.Model.Text;

/// <summary>
/// The Unicode tables behind normalization, read once from the embedded file that
/// <c>eng/unicode-normalization.py</c> writes (its header is the file format).
/// </summary>
internal sealed class NormalizationData
{
    private const string Resource = "Gateway.Model.Text.Unicode.normalization.bin";

    private readonly Dictionary<int, byte> _combiningClass = [];
    private readonly Dictionary<int, int[]> _canonical = [];
    private readonly Dictionary<int, int[]> _compatibility = [];
    private readonly Dictionary<(int First, int Second), int> _compositions = [];
    private readonly HashSet<int> _joinsPrevious = [];
    private readonly HashSet<int> _unstable = [];

    private NormalizationData(ReadOnlySpan<byte> bytes)
    {
        var at = 0;
        Version = new Version(Number(bytes, ref at), Number(bytes, ref at));
        ReadCombiningClasses(bytes, ref at);
        ReadDecompositions(bytes, ref at);
        foreach (var point in _canonical.Keys.Concat(_compatibility.Keys))
        {
            if (FirstOfFullDecomposition(point) is var first && first != point && JoinsPrevious(first))
                _joinsPrevious.Add(point);
        }
    }

    public static NormalizationData Instance { get; } = Load();

    public Version Version { get; }

    /// <summary>The canonical combining class; 0 for starters.</summary>
    public int CombiningClass(int point) => _combiningClass.GetValueOrDefault(point);

    /// <summary>One step of decomposition, or null when the code point stands for itself.</summary>
    public int[]? Decomposition(int point, bool compatibility)
    {
        if (_canonical.TryGetValue(point, out var canonical))
            return canonical;
        return compatibility ? _compatibility.GetValueOrDefault(point) : null;
    }

    /// <summary>The primary composite of two code points, or -1.</summary>
    public int Compose(int first, int second) => _compositions.GetValueOrDefault((first, second), -1);

    /// <summary>Whether the code point may reorder or compose with what stands before it.</summary>
    public bool JoinsPrevious(int point) =>
        point is >= Hangul.VowelBase and < Hangul.VowelBase + Hangul.VowelCount
            or > Hangul.TrailBase and < Hangul.TrailBase + Hangul.TrailCount
        || _joinsPrevious.Contains(point);

    /// <summary>Whether the form changes this code point when it stands alone.</summary>
    public bool ChangesAlone(int point, bool compatibility, bool compose) =>
        compose
            ? _unstable.Contains(point) || (compatibility && _compatibility.ContainsKey(point))
            : Decomposition(point, compatibility) is not null || Hangul.IsSyllable(point);

    private int FirstOfFullDecomposition(int point)
    {
        while (Decomposition(point, compatibility: true) is { } parts)
            point = parts[0];
        return point;
    }

    private void ReadCombiningClasses(ReadOnlySpan<byte> bytes, ref int at)
    {
        var point = 0;
        for (var runs = Number(bytes, ref at); runs > 0; runs--)
        {
            point += Number(bytes, ref at);
            var length = Number(bytes, ref at);
            var combiningClass = (byte)Number(bytes, ref at);
            for (var i = 0; i < length; i++)
            {
                _combiningClass[point + i] = combiningClass;
                _joinsPrevious.Add(point + i);
            }
        }
    }

    private void ReadDecompositions(ReadOnlySpan<byte> bytes, ref int at)
    {
        var point = 0;
        for (var entries = Number(bytes, ref at); entries > 0; entries--)
        {
            point += Number(bytes, ref at);
            var head = Number(bytes, ref at);
            var parts = new int[head >> 2];
            for (var i = 0; i < parts.Length; i++)
                parts[i] = Number(bytes, ref at);

            if ((head & 1) != 0)
            {
                _compatibility[point] = parts;
                continue;
            }

            _canonical[point] = parts;
            if ((head & 2) != 0)
            {
                _unstable.Add(point);
                continue;
            }

            _compositions[(parts[0], parts[1])] = point;
            _joinsPrevious.Add(parts[1]);
        }
    }

    private static int Number(ReadOnlySpan<byte> bytes, ref int at)
    {
        var value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var next = bytes[at++];
            value |= (next & 0x7F) << shift;
            if (next < 0x80)
                return value;
        }
    }

    private static NormalizationData Load()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The resource {Resource} is missing; run eng/unicode-normalization.py and rebuild.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return new NormalizationData(bytes);
    }
}
