namespace Gateway.Model.Text;

/// <summary>Arithmetic decomposition and composition of Hangul syllables (Unicode Standard, section 3.12).</summary>
internal static class Hangul
{
    public const int LeadBase = 0x1100;
    public const int LeadCount = 19;
    public const int VowelBase = 0x1161;
    public const int VowelCount = 21;
    public const int TrailBase = 0x11A7;
    public const int TrailCount = 28;
    private const int SyllableBase = 0xAC00;

    public static bool IsSyllable(int point) =>
        point is >= SyllableBase and < SyllableBase + (LeadCount * VowelCount * TrailCount);

    public static void Decompose(int syllable, List<int> into)
    {
        var index = syllable - SyllableBase;
        into.Add(LeadBase + (index / (VowelCount * TrailCount)));
        into.Add(VowelBase + (index % (VowelCount * TrailCount) / TrailCount));
        if (index % TrailCount is > 0 and var trail)
            into.Add(TrailBase + trail);
    }

    /// <summary>The syllable of lead + vowel or of open syllable + trail, or -1.</summary>
    public static int Compose(int first, int second)
    {
        if (first is >= LeadBase and < LeadBase + LeadCount && second is >= VowelBase and < VowelBase + VowelCount)
            return SyllableBase + ((((first - LeadBase) * VowelCount) + second - VowelBase) * TrailCount);
        if (IsSyllable(first) && (first - SyllableBase) % TrailCount == 0
            && second is > TrailBase and < TrailBase + TrailCount)
            return first + second - TrailBase;
        return -1;
    }
}
